// What the display may still be reading, until it gives the surface back: storage of freed resources, the descriptors of
// dma-bufs, which it keeps open, and what it maps of the guest in pieces.

import { giveDescriptor } from "../pixels/storage/descriptors.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Storage } from "../pixels/storage/storage.ts";

export class Leases {
  private readonly storages = new Map<number, Storage>();
  private readonly dmabufs = new Set<number>();
  private readonly mapped = new Map<number, number>();
  /** Pieces in which the display maps guests' pages. */
  pieces = 0;

  /** The resource of `surface` is gone; its storage is nobody else's to free now. */
  keep(surface: number, storage: Storage): void {
    this.storages.set(surface, storage);
  }

  /** One of the process's descriptors is the dma-buf of `surface` at the display. */
  countDmabuf(surface: number): void {
    this.dmabufs.add(surface);
  }

  /** The display maps `surface` in so many pieces. */
  countPieces(surface: number, count: number): void {
    this.mapped.set(surface, count);
    this.pieces += count;
  }

  /** A picture would take more pieces than there may be. */
  tellFull({ config, log }: ActorContext): void {
    log.beyond("surfacePiecesMax", config.surfacePiecesMax, "a picture is copied instead of mapped");
  }

  /** The display no longer uses `surface`. Said twice, it is nothing the second time. */
  end(surface: number): void {
    if (this.dmabufs.delete(surface)) giveDescriptor();
    this.pieces -= this.mapped.get(surface) ?? 0;
    this.mapped.delete(surface);
    this.storages.get(surface)?.free();
    this.storages.delete(surface);
  }

  /** There is a display that knows of nothing. */
  endAll(): void {
    for (const surface of [...this.storages.keys(), ...this.dmabufs, ...this.mapped.keys()])
      this.end(surface);
  }
}
