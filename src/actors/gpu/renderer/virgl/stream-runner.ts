// Gives the library a command stream. Transfers from the host of several layers go there layer by layer, between what is
// before and behind them: of several layers the library reads back the first, and gives the guest its own heap for others.

import { asPointer } from "../../../../ffi/libc.ts";
import type { Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { layerStep, transferOf } from "../transfer.ts";
import { Ccmd, CopyTransfer3d, Transfer3d, TransferField } from "./protocol.ts";
import { type LayeredTransfer, readTransfer } from "./stream-guard.ts";

const commandWordsMax = 1 + CopyTransfer3d.words;

export class StreamRunner {
  private readonly memory = NativeMemory.allocate(commandWordsMax * 4);
  private readonly single = new Uint32Array(this.memory.view());
  private readonly transfer = transferOf(this.single);

  constructor(private readonly symbols: Virglrenderer["required"]) {}

  /**
   * Runs `count` words from word `from` of `words`, which lie at native `address`. `layered`: the transfers of several
   * layers in it, in order. Returns an errno.
   */
  run(
    context: number,
    words: Uint32Array,
    address: number,
    from: number,
    count: number,
    layered: readonly LayeredTransfer[],
  ): number {
    let at = from;
    for (let index = 0; index < layered.length; index++) {
      const { header, source } = layered[index]!;
      const error =
        this.submit(context, address + at * 4, header - at) || this.layers(context, words, header, source);
      if (error !== 0) return error;
      at = header + 1 + (words[header]! >>> 16);
    }
    return this.submit(context, address + at * 4, from + count - at);
  }

  close(): void {
    this.memory.unmap();
  }

  private layers(
    context: number,
    words: Uint32Array,
    header: number,
    source: LayeredTransfer["source"],
  ): number {
    const { single, transfer } = this;
    const isCopy = (words[header]! & 0xff) === Ccmd.COPY_TRANSFER3D;
    const { offset: offsetField, words: payload } = isCopy ? CopyTransfer3d : Transfer3d;
    single.set(words.subarray(header, header + 1 + payload));
    // Words behind what the command is made of mean nothing.
    single[0] = (single[0]! & 0xffff) | (payload << 16);
    readTransfer(transfer, single, 0, offsetField);
    const step = layerStep(source, transfer);
    const [first, layers] = [single[TransferField.box + 2]!, single[TransferField.box + 5]!];
    single[TransferField.box + 5] = 1;
    for (let layer = 0; layer < layers; layer++) {
      single[TransferField.box + 2] = first + layer;
      single[offsetField] = transfer.offset + layer * step;
      const error = this.submit(context, this.memory.address, 1 + payload);
      if (error !== 0) return error;
    }
    return 0;
  }

  private submit(context: number, address: number, count: number): number {
    if (count === 0) return 0;
    return Math.abs(this.symbols.virgl_renderer_submit_cmd(asPointer(address), context, count));
  }
}
