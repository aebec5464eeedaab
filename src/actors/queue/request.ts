// A request as a command sees it: private copies of the guest's bytes, and a buffer for the response.

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { type Chain, ChainFault } from "../../transport/virtio/chain.ts";

/** Responses are the header plus at most this many bytes, except capsets, which are longer. */
const responseBytesMax = 64 * 1024;
const pageBytes = 4096;

export class Request {
  /** What the request and its answer lie in, the answer from {@link responseAt} on. */
  readonly arena: { readonly fd: number; readonly memory: NativeMemory };
  readonly responseAt: number;
  /** The request in little-endian words; only the first {@link length} bytes are this request's. */
  readonly words: Uint32Array;
  /** Bytes of the request. */
  length = 0;
  /** Native addresses of the first byte of each. */
  readonly address: number;
  readonly responseAddress: number;
  readonly responseWords: Uint32Array;

  constructor(readonly bytesMax: number) {
    this.responseAt = Math.ceil(bytesMax / pageBytes) * pageBytes;
    const bytes = this.responseAt + responseBytesMax;
    const fd = createMemfd("fencepost-command", bytes);
    const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
    this.arena = { fd, memory };
    this.address = memory.address;
    this.responseAddress = memory.address + this.responseAt;
    this.words = new Uint32Array(memory.view(0, this.responseAt));
    this.responseWords = new Uint32Array(memory.view(this.responseAt, responseBytesMax));
  }

  /** Copies what `chain` asks; nothing of one that makes no sense. */
  take(chain: Chain): void {
    this.length = chain.fault === ChainFault.none ? chain.copyRequest(this.address, this.bytesMax) : 0;
  }

  /** Releases the memory: no view of it may be used any more. */
  close(): void {
    this.arena.memory.unmap();
    closeFd(this.arena.fd);
  }

  /** A view of `length` bytes of the response from `offset` on, for what is rare. */
  responseBytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.arena.memory.view(this.responseAt + offset, length));
  }

  /** Text of at most `length` bytes, up to the first that is zero; for what is rare. */
  text(offset: number, length: number): string {
    if (length === 0) return "";
    const bytes = new Uint8Array(this.arena.memory.view(offset, length));
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** The first word, which in every form of command says what is asked. */
  get type(): number {
    return this.words[0]!;
  }

  /** The u32 at a byte offset that is a multiple of four. */
  u32(offset: number): number {
    return this.words[offset >>> 2]!;
  }

  /** The u64 at a byte offset, or Infinity above 2^53, so that no sum with it passes a bounds check. */
  u64(offset: number): number {
    const high = this.words[(offset >>> 2) + 1]!;
    return high < 0x20_0000 ? high * 2 ** 32 + this.words[offset >>> 2]! : Infinity;
  }
}
