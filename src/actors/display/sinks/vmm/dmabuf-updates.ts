// DMABUF_UPDATE and its answer, which comes when the VMM has shown the damage: at most one is unanswered a scanout. A
// VMM whose window nobody sees may keep its answer for hours; nobody waits for it but the next damage of that scanout.

import type { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import { DmabufUpdate, DisplayRequest } from "../../../../transport/wire/vhost-user-gpu/protocol.ts";
import { unansweredUpdates } from "../../../../transport/wire/vhost-user-gpu/stream-words.ts";
import { scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Damage } from "../../../../picture/damage.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Timers } from "../../../runtime/timers.ts";
import { Counter } from "../../counters.ts";
import type { DmabufSurface } from "../../surfaces/dmabuf-surface.ts";

export interface DmabufUpdatesOptions {
  /** Where the stream stands (StreamWord). */
  words: Int32Array;
  timers: Timers;
  log: Log;
  timeoutMs: number;
  /** The display's counters. */
  counters: Float64Array;
}

export class DmabufUpdates {
  /** How many answers came late, or never. */
  timeouts = 0;
  /** What an unanswered update shows, by scanout. */
  private readonly lent: (DmabufSurface | undefined)[] = [];
  private readonly cancelTimer: (() => void)[] = [];

  constructor(private readonly options: DmabufUpdatesOptions) {
    // A predecessor's are answered to us.
    for (const scanout of unansweredUpdates(options.words)) this.startTimer(scanout);
  }

  get unanswered(): number {
    return unansweredUpdates(this.options.words).length;
  }

  /** Whether `scanout` has an update that is sent, or being sent, and not answered. */
  isUnanswered(scanout: number): boolean {
    return this.lent[scanout] !== undefined || unansweredUpdates(this.options.words).includes(scanout);
  }

  /** Starts an update on an idle `writer`. The surface is read until the answer comes. */
  start(writer: MessageWriter, scanout: number, surface: DmabufSurface, damage: Damage): void {
    const { left, top, right, bottom } = damage;
    surface.read();
    this.lent[scanout] = surface;
    this.startTimer(scanout);
    writer.start(
      DisplayRequest.DMABUF_UPDATE,
      DmabufUpdate.bytes,
      ...[scanout, left, top, right - left, bottom - top],
    );
  }

  answered(scanout: number): void {
    this.cancelTimer[scanout]?.();
    this.giveBack(scanout);
  }

  close(): void {
    for (const cancel of this.cancelTimer) cancel?.();
    for (let scanout = 0; scanout < scanoutsMax; scanout++) this.giveBack(scanout);
  }

  private giveBack(scanout: number): void {
    const surface = this.lent[scanout];
    this.lent[scanout] = undefined;
    surface?.readDone();
  }

  private startTimer(scanout: number): void {
    const { timers, timeoutMs } = this.options;
    this.cancelTimer[scanout] = timers.after(timeoutMs, () => this.timedOut(scanout));
  }

  private timedOut(scanout: number): void {
    const { counters, log, timeoutMs } = this.options;
    counters[Counter.updatesUnanswered]!++;
    // Once: a window may be hidden and shown again all day.
    if (this.timeouts++ > 0) return;
    log.guest(
      () =>
        `the VMM's display did not answer DMABUF_UPDATE of scanout ${scanout} within ${timeoutMs} ms: ` +
        "its next picture waits until it does",
    );
  }
}
