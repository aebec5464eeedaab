// The channel on which the back-end asks the front-end (SET_BACKEND_REQ_FD): that the configuration space has changed, which has
// no answer, and to map and unmap memory, which has. At most one question is under way, so that each answer is that one's.

import { ECONNRESET, EPIPE } from "../../../ffi/libc.ts";
import { SystemError } from "../../os/errors.ts";
import { closeFd } from "../../os/fds.ts";
import { NativeMemory } from "../../os/native-memory.ts";
import { CLOSED, SocketIo, WOULD_BLOCK } from "../../os/unix-socket.ts";
import type { Range } from "../../virtio/ranges.ts";
import { BackendRequest, Flags, Header, ShmemRange } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";

/** A u64: 0 for success. */
const answerBytes = Header.bytes + 8;
const messageBytesMax = Header.bytes + ShmemRange.bytes;

/** What became of a question; or that there is no answer yet; or that nobody is there to answer. */
export type Verdict = "done" | "refused" | "wait" | "closed";

export class BackendChannel {
  private readonly io = new SocketIo();
  private readonly out = NativeMemory.allocate(messageBytesMax);
  private readonly outData = new DataView(this.out.view());
  private readonly in = NativeMemory.allocate(answerBytes);
  private readonly inData = new DataView(this.in.view());
  private have = 0;
  /** The request that is under way, or 0. */
  private asked = 0;

  private constructor(
    readonly fd: number,
    private readonly id: number,
  ) {}

  /** Takes over `fd`, also where it throws. `id`: the shared memory region that is mapped into. */
  static over(fd: number, id: number): BackendChannel {
    try {
      return new BackendChannel(fd, id);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** Tells that the configuration space has changed. Never waits; returns whether the front-end will hear of it. */
  configChanged(): boolean {
    return this.send(BackendRequest.CONFIG_CHANGE, Flags.version, 0, []);
  }

  /** Asks for memory of `fd`, from `fdOffset` on, at `range`. Never waits; returns whether the front-end was asked. */
  map(range: Range, fd: number, fdOffset: number): boolean {
    return this.ask(BackendRequest.SHMEM_MAP, range, fdOffset, [fd]);
  }

  /** As {@link map}, for a range that is mapped. */
  unmap(range: Range): boolean {
    return this.ask(BackendRequest.SHMEM_UNMAP, range, 0, []);
  }

  /** Never waits. Throws a {@link ProtocolError} for what is no answer to what was asked. */
  read(): Verdict {
    while (this.have < answerBytes) {
      const received = this.receive();
      if (received === WOULD_BLOCK) return "wait";
      if (received === CLOSED) return "closed";
      const hadHeader = this.have >= Header.bytes;
      this.have += received;
      // One that says another length would be waited for in vain.
      if (!hadHeader && this.have >= Header.bytes) this.check();
    }
    this.have = 0;
    this.asked = 0;
    return this.inData.getBigUint64(Header.bytes, true) === 0n ? "done" : "refused";
  }

  close(): void {
    closeFd(this.fd);
    this.io.close();
    this.out.unmap();
    this.in.unmap();
  }

  /** Throws a {@link ProtocolError} for a header that answers something else. */
  private check(): void {
    const { inData, asked } = this;
    const [request, flags, size] = [Header.request, Header.flags, Header.size].map((at) =>
      inData.getUint32(at, true),
    );
    if (asked === 0 || request !== asked || flags !== (Flags.version | Flags.reply) || size !== 8) {
      const what = `request ${request}, flags 0x${flags!.toString(16)}, ${size} bytes`;
      throw new ProtocolError(`${what}, where ${asked === 0 ? "nothing" : `${asked}`} was asked`);
    }
  }

  private ask(request: number, { offset, bytes }: Range, fdOffset: number, fds: readonly number[]): boolean {
    const at = Header.bytes;
    const { outData, id } = this;
    outData.setBigUint64(at, BigInt(id), true);
    outData.setBigUint64(at + ShmemRange.fdOffset, BigInt(fdOffset), true);
    outData.setBigUint64(at + ShmemRange.offset, BigInt(offset), true);
    outData.setBigUint64(at + ShmemRange.length, BigInt(bytes), true);
    outData.setBigUint64(at + ShmemRange.flags, fds.length > 0 ? BigInt(ShmemRange.flagWrite) : 0n, true);
    if (!this.send(request, Flags.version | Flags.needReply, ShmemRange.bytes, fds)) return false;
    this.asked = request;
    return true;
  }

  /** Messages are far shorter than what a socket takes at once: one goes whole or not at all. */
  private send(request: number, flags: number, size: number, fds: readonly number[]): boolean {
    this.outData.setUint32(Header.request, request, true);
    this.outData.setUint32(Header.flags, flags, true);
    this.outData.setUint32(Header.size, size, true);
    this.io.clear();
    this.io.gather(this.out.address, Header.bytes + size);
    try {
      return this.io.send(this.fd, fds) === Header.bytes + size;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false;
    }
  }

  private receive(): number {
    let received: number;
    try {
      received = this.io.receive(this.fd, this.in.address + this.have, answerBytes - this.have);
    } catch (error) {
      if (error instanceof SystemError && (error.errno === ECONNRESET || error.errno === EPIPE))
        return CLOSED;
      throw error;
    }
    const { receivedFds } = this.io;
    if (receivedFds.length === 0 && !this.io.truncatedFds) return received;
    receivedFds.forEach(closeFd);
    throw new ProtocolError("an answer brought descriptors");
  }
}
