// A taped guest with a 2D resource on a scanout, which knows what is to be seen.

import * as commands from "../../lab/driver/commands.ts";
import type { Rectangle } from "../../lab/driver/commands.ts";
import { convertToBgrx } from "../../src/picture/pixels.ts";
import { ResourceFlag } from "../../src/transport/wire/record/entries.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { memory, type Tape } from "./tape.ts";

export class TapedScreen {
  /** In the resource's form. */
  readonly pixels: Uint32Array<ArrayBuffer>;
  private readonly backing: { address: number; length: number }[];

  /** Shows resource `id` on `scanout`; its backing is in pieces that do not touch. */
  constructor(
    readonly tape: Tape,
    readonly id: number,
    readonly width: number,
    readonly height: number,
    readonly format: number = Format.B8G8R8X8,
    readonly scanout = 0,
  ) {
    this.pixels = new Uint32Array(width * height);
    const bytes = width * height * 4;
    this.backing = [];
    for (let at = 0; at < bytes; at += 5000) {
      this.backing.push(tape.allocate(Math.min(5000, bytes - at)));
      tape.allocate(1);
    }
    tape.command(commands.createResource2d(id, format, width, height));
    tape.command(commands.attachBacking(id, this.backing));
    tape.command(commands.setScanout(scanout, id, { x: 0, y: 0, width, height }));
  }

  /** Transfers a rectangle whose pixels are `colour` plus their column, and flushes it. */
  draw(rect: Rectangle, colour: number, checksum = false): void {
    this.transfer(rect, colour);
    this.flush(rect, checksum ? this.checksum(rect) : null);
  }

  transfer({ x, y, width, height }: Rectangle, colour: number, fence?: bigint): void {
    const { tape, id } = this;
    const rows = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) rows[row * width + column] = colour + column;
      this.pixels.set(rows.subarray(row * width, (row + 1) * width), (y + row) * this.width + x);
    }
    const offset = (y * this.width + x) * 4;
    const header = fence === undefined ? {} : { fenceId: fence };
    tape.command(commands.transferToHost2d(id, { x, y, width, height }, offset, header), {
      during: () =>
        tape.add(
          "bytes",
          { resource: id, offsetLow: offset, rowBytes: width * 4, stride: this.width * 4 },
          new Uint8Array(rows.buffer),
        ),
    });
  }

  flush(rect: Rectangle, checksum: number | null = null): void {
    const { tape, id, scanout } = this;
    const body = checksum === null ? new Uint8Array(0) : new Uint8Array(new Uint32Array([checksum]).buffer);
    tape.command(commands.flushResource(id, rect), {
      during: () => tape.add("frame", { scanouts: 1 << scanout, resource: id, ...rect }, body),
    });
  }

  checksum({ x, y, width, height }: Rectangle): number {
    const rows = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = (y + row) * this.width + x;
      rows.set(this.pixels.subarray(from, from + width), row * width);
    }
    return Bun.hash.crc32(rows);
  }

  /** Tells the state as it is: this resource on its scanout. */
  keyframe(): void {
    const { tape, id, format, width, height, scanout } = this;
    tape.memory([memory]);
    tape.add("keyframe", { features: 2 });
    tape.add("resource", { id, format, width, height, flags: ResourceFlag.backed });
    const runs = new BigUint64Array(
      this.backing.flatMap(({ address, length }) => [BigInt(address), BigInt(length)]),
    );
    tape.add("backing", { resource: id }, new Uint8Array(runs.buffer));
    tape.add("pixels", { resource: id, row: 0, rows: height }, new Uint8Array(this.pixels.slice().buffer));
    tape.add("scanout", { scanout, resource: id, width, height });
    tape.add("keyframeEnd", {});
  }

  /** What a display is to show of all of it. */
  shown(): Uint32Array {
    const shown = new Uint32Array(this.pixels.length);
    convertToBgrx(this.format, this.pixels, 0, this.width, this.width, this.height, shown);
    return shown;
  }
}
