// The damage that the VMM has yet to show, sent as pixels where they lie in memory and told where it has the dma-buf.

import type { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import { bytesPerPixel, scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { Damage, type Rect } from "../../../../picture/damage.ts";
import { lowestBit } from "../../scanouts/bits.ts";
import { DmabufSurface } from "../../surfaces/dmabuf-surface.ts";
import type { DmabufUpdates } from "./dmabuf-updates.ts";
import type { FrameCounters } from "../frame-counters.ts";
import type { View } from "../../scanouts/scanout.ts";
import { UpdateBands } from "./update-bands.ts";
import type { VmmPace } from "./vmm-pace.ts";

export class VmmFrames {
  /** Bit n: scanout n has damage. */
  private damaged = 0;
  private readonly damage = Array.from({ length: scanoutsMax }, () => new Damage());
  private readonly bands: UpdateBands;
  /** The scanout that comes first with its next frame. */
  private turnOf = 0;
  private frameBytes = 0;

  /**
   * `viewOf` returns what the VMM is to show of a scanout, `isUntold` whether it has yet to hear of that: a slot may begin between
   * the two looks for one.
   */
  constructor(
    private readonly viewOf: (scanout: number) => View | null,
    private readonly isUntold: (scanout: number) => boolean,
    private readonly updates: DmabufUpdates,
    private readonly counters: FrameCounters,
    private readonly pace: VmmPace,
    bandBytesMax?: number,
  ) {
    this.bands = new UpdateBands(bandBytesMax);
  }

  /** Whether a frame of pixels is under way. */
  get isActive(): boolean {
    return this.bands.isActive();
  }

  /** `scanout` shows another view, all of which is damaged. */
  replace(scanout: number, view: View | null): void {
    this.damage[scanout]!.clear();
    this.damaged &= ~(1 << scanout);
    if (view !== null) this.mark(scanout, { x: 0, y: 0, width: view.width, height: view.height });
  }

  add(scanout: number, rect: Rect): void {
    if (this.damaged & (1 << scanout)) this.counters.merge();
    this.mark(scanout, rect);
  }

  /** Gives up what is left of a frame of `scanout`, if one is being sent. */
  cancel(scanout: number): void {
    if (!this.bands.isActive(scanout)) return;
    this.bands.cancel();
    this.counters.skip();
  }

  /** Starts the next message on an idle `writer`, of a view that the VMM knows of. Returns whether there was one. */
  start(writer: MessageWriter): boolean {
    if (!this.bands.isActive()) {
      const scanout = this.next();
      if (scanout < 0) return false;
      const view = this.viewOf(scanout)!;
      const damage = this.damage[scanout]!;
      this.turnOf = (scanout + 1) % scanoutsMax;
      this.damaged &= ~(1 << scanout);
      this.pace.gave(scanout);
      this.counters.begin(scanout, view, damage);
      if (view.surface instanceof DmabufSurface) {
        this.updates.start(writer, scanout, view.surface, damage);
        damage.clear();
        return true;
      }
      this.frameBytes = (damage.right - damage.left) * (damage.bottom - damage.top) * bytesPerPixel;
      this.bands.begin(scanout, view.surface, view, damage);
      damage.clear();
    }
    this.bands.start(writer);
    return true;
  }

  /** An UPDATE is sent. */
  updateSent(): void {
    // A predecessor's last message is no frame of ours.
    if (this.bands.isActive() && this.bands.sent()) this.counters.frame(this.bands.scanout, this.frameBytes);
  }

  /** The VMM has shown the last DMABUF_UPDATE of `scanout`. */
  updateAnswered(scanout: number): void {
    this.updates.answered(scanout);
    this.pace.took(scanout);
    this.counters.frame(scanout, 0);
  }

  isBehind(scanout: number): boolean {
    if (this.damaged & (1 << scanout) || this.bands.isActive(scanout)) return true;
    return this.isWaiting(scanout, this.viewOf(scanout));
  }

  close(): void {
    this.bands.close();
    this.updates.close();
  }

  private mark(scanout: number, { x, y, width, height }: Rect): void {
    const damage = this.damage[scanout]!;
    damage.add(x, y, width, height);
    if (!damage.isEmpty) this.damaged |= 1 << scanout;
  }

  /** Whether the VMM has yet to show a dma-buf's last damage. */
  private isWaiting(scanout: number, view: View | null): boolean {
    return view?.surface instanceof DmabufSurface && this.updates.isUnanswered(scanout);
  }

  /** The scanout whose turn it is to show its damage, or -1. */
  private next(): number {
    for (let late = 0, set = this.damaged; set !== 0; set &= ~(1 << late)) {
      const after = set >>> this.turnOf;
      late = after === 0 ? lowestBit(set) : this.turnOf + lowestBit(after);
      const view = this.viewOf(late);
      if (view === null) this.replace(late, null);
      else if (!this.isUntold(late) && !this.isWaiting(late, view) && this.pace.may(late)) return late;
    }
    return -1;
  }
}
