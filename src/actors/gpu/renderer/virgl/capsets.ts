// What the renderer can do, as it tells guests: capability sets (virtio 1.3 §5.7.6.8 GET_CAPSET_INFO).

import { asPointer } from "../../../../ffi/libc.ts";
import type { Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { Capset } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { CapsetDescription } from "../renderer.ts";

/** Sets whose back-end is started: the library also names sizes of others. */
const started = [Capset.VIRGL, Capset.VIRGL2] as const;

/** Where struct virgl_caps_v2 has the name of the GL renderer, and its length in bytes. */
const rendererName = { offset: 696, length: 64 } as const;

/** Byte offset of capability_bits in struct virgl_caps_v2, and VIRGL_CAP_ARB_BUFFER_STORAGE among them. */
const capabilityBits = 392;
const bufferStorage = 0x8000_0000;

/**
 * A driver that has blobs would make each buffer that stays mapped by PIPE_RESOURCE_CREATE, and a blob of that: memory of GL,
 * which has no descriptor to map it by. stream-guard.ts refuses the command, and the context would be lost.
 */
export function hideMappedBuffers(words: Uint32Array, at: number): void {
  words[(at + capabilityBits) >>> 2]! &= ~bufferStorage;
}

/** The sets of GL that have anything in them, in the order of their indexes. */
export function listCapsets(symbols: Virglrenderer["required"]): CapsetDescription[] {
  return started.map((id) => describeCapset(symbols, id)).filter(({ bytes }) => bytes > 0);
}

/** One set; without bytes where the library has it not. */
export function describeCapset(symbols: Virglrenderer["required"], id: number): CapsetDescription {
  const out = NativeMemory.allocate(8);
  const words = new Uint32Array(out.view());
  symbols.virgl_renderer_get_cap_set(id, asPointer(out.address), asPointer(out.address + 4));
  const [maxVersion, bytes] = [words[0]!, words[1]!];
  out.unmap();
  return { id, maxVersion, bytes };
}

/** The version of venus's streams: the first word of its set. Mesa's drivers know 1, and 0.10 of the library has 0. */
export function wireFormatOf(
  symbols: Virglrenderer["required"],
  { id, maxVersion, bytes }: CapsetDescription,
): number {
  const memory = NativeMemory.allocate(bytes);
  symbols.virgl_renderer_fill_caps(id, maxVersion, asPointer(memory.address));
  const [version] = new Uint32Array(memory.view(0, 4));
  memory.unmap();
  return version!;
}

/** The name that GL gives what it renders with, such as "LLVMPIPE (LLVM 15.0.6, 256 bits)". */
export function describeGl(
  symbols: Virglrenderer["required"],
  capsets: readonly CapsetDescription[],
): string {
  const virgl2 = capsets.find(({ id }) => id === Capset.VIRGL2);
  const end = rendererName.offset + rendererName.length;
  if (virgl2 === undefined || virgl2.bytes < end) return "GL";
  const memory = NativeMemory.allocate(virgl2.bytes);
  symbols.virgl_renderer_fill_caps(virgl2.id, virgl2.maxVersion, asPointer(memory.address));
  const name = new TextDecoder().decode(new Uint8Array(memory.view()).slice(rendererName.offset, end));
  memory.unmap();
  return name.split("\0")[0]!.trim() || "GL";
}
