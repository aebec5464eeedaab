// What the display still has to be told, once the guest has its answers. Changes that nobody would see yet are merged, so
// that a guest that flips faster than the display draws costs neither memory nor time.

import { scanoutsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { Damage, type Rect } from "../../../picture/damage.ts";
import { DisplayPacing } from "../../queue/display-pacing.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import { Shown } from "../../runtime/tap/layout.ts";
import { KeptWord } from "../manifest.ts";
import type { Screen } from "../model/model.ts";
import type { Resource } from "../model/resources.ts";
import type { Showable } from "../pixels/pixels.ts";
import type { Storage } from "../pixels/storage/storage.ts";
import { giveDescriptor, hasDescriptor, takeDescriptor } from "../pixels/storage/descriptors.ts";
import { Leases } from "./leases.ts";

/** How soon what the host had no room for is tried again. */
const retryMs = 1000;
/** Surfaces that wait to be given back; with as many, changes are told before their time. */
const dropsMax = 8;

class Pending {
  shown: Showable | null = null;
  x = 0;
  y = 0;
  width = 0;
  height = 0;
  /** Whether the display does not know yet what is shown. */
  changed = false;
  /** The last command that changed it, for the tap. */
  command = 0;
  /** The renderer's epoch of which the display was last sent everything. */
  epoch = -1;
  /** Whether the display shows more of it than there is, until it is flushed. */
  isAwaited = false;
  /** In the scanout's coordinates. */
  readonly damage = new Damage();
}

export class DisplayOutbox implements Screen {
  private readonly scanouts = Array.from({ length: scanoutsMax }, () => new Pending());
  private readonly leases = new Leases();
  private dirty = 0;
  /** Surfaces that the display has yet to drop: after it was told what is shown in their place. */
  private readonly drops: number[] = [];
  private readonly pacing: DisplayPacing;
  /** Scanouts whose pictures the host had no room to share, so that they are off at the display. */
  private owed = 0;

  /** What the display can show without a copy of ours. */
  private takes = { dmabuf: false, modifiers: false };

  constructor(private readonly context: ActorContext) {
    this.pacing = new DisplayPacing(context);
  }

  /** Shows a rectangle of `picture`; its storage exists. */
  show(scanout: number, picture: Showable, x: number, y: number, width: number, height: number): void {
    const pending = this.scanouts[scanout]!;
    pending.shown = picture;
    pending.x = x;
    pending.y = y;
    pending.width = width;
    pending.height = height;
    this.markChanged(scanout);
    if (picture.pixels.isDmabuf && !this.isShownWhole(picture)) this.announceAnew(picture);
  }

  /** The rectangle of its resource that a scanout shows. */
  viewOf(scanout: number): Rect {
    return this.scanouts[scanout]!;
  }

  /** What the scanout shows is nothing yet: the display goes on with what it has until the guest flushes. */
  awaitFlush(scanout: number): void {
    const pending = this.scanouts[scanout]!;
    pending.changed = false;
    pending.isAwaited = true;
    this.dirty &= ~(1 << scanout);
  }

  hide(scanout: number): void {
    this.scanouts[scanout]!.shown = null;
    this.markChanged(scanout);
  }

  /** Damages a rectangle of `resource`, in its own coordinates, on every scanout that shows it. */
  damage(resource: Resource, x: number, y: number, width: number, height: number): void {
    for (let bits = resource.scanouts; bits !== 0; bits &= bits - 1) {
      const scanout = 31 - Math.clz32(bits & -bits);
      const pending = this.scanouts[scanout]!;
      if (pending.isAwaited) {
        this.markChanged(scanout);
        continue;
      }
      const { pixels } = pending.shown!;
      const { epoch } = pixels;
      // A page flip was sent whole, and is flushed just after.
      if (!pending.changed && epoch >= 0 && pending.epoch === epoch) {
        const { tap } = this.context;
        tap?.shown(Shown.known, scanout, pixels.surface, resource.id, tap.command, pending);
        continue;
      }
      const left = Math.max(x, pending.x) - pending.x;
      const top = Math.max(y, pending.y) - pending.y;
      const right = Math.min(x + width, pending.x + pending.width) - pending.x;
      const bottom = Math.min(y + height, pending.y + pending.height) - pending.y;
      if (right <= left || bottom <= top) continue;
      pending.damage.add(left, top, right - left, bottom - top);
      if (this.context.tap !== null) pending.command = this.context.tap.command;
      this.dirty |= 1 << scanout;
    }
  }

  release(surface: number, memory: Storage | null): void {
    if (surface === 0) {
      memory?.free();
      return;
    }
    if (memory !== null) this.leases.keep(surface, memory);
    this.drops.push(surface);
  }

  /** The display can show dma-bufs, or no longer can: what may be in one is announced in the other way. */
  displayTakes(dmabuf: boolean, modifiers: boolean, pictures: Iterable<Showable>): void {
    if (dmabuf === this.takes.dmabuf && modifiers === this.takes.modifiers) return;
    this.takes = { dmabuf, modifiers };
    for (const picture of pictures) if (picture.pixels.mayBeDmabuf) this.announceAnew(picture);
  }

  /** What the display has of a picture, if anything, is not to be read any more: it is offered another. */
  announceAnew({ pixels, scanouts }: Showable): void {
    if (pixels.surface === 0) return;
    this.drops.push(pixels.surface);
    pixels.withdraw();
    for (let bits = scanouts; bits !== 0; bits &= bits - 1) this.markChanged(31 - Math.clz32(bits & -bits));
  }

  /** The display had no room to map a surface: it is offered the picture again later. */
  surfaceRefused(surface: number, pictures: Iterable<Showable>): void {
    for (const picture of pictures) {
      if (picture.pixels.surface !== surface) continue;
      this.drops.push(surface);
      picture.pixels.withdraw();
      for (let bits = picture.scanouts; bits !== 0; bits &= bits - 1)
        this.owe(31 - Math.clz32(bits & -bits), picture);
    }
  }

  surfaceReleased(surface: number): void {
    this.leases.end(surface);
  }

  /** Tells a display that knows nothing what every scanout shows. */
  restore(pictures: Iterable<Showable>): void {
    this.leases.endAll();
    for (const { pixels } of pictures) {
      const { surface } = pixels;
      if (surface === 0) continue;
      // It may have been announced to the new display already; one that does not know it forgets it at once.
      this.context.send("display", { type: "drop-surface", surface });
      pixels.withdraw();
    }
    // Those that are off too: one may have gone off while there was no display to turn it off at the VMM.
    this.scanouts.forEach((_, scanout) => this.markChanged(scanout));
    this.tell(true);
  }

  /** Tells what is due, or everything `always`. Called when the guest has been answered. */
  tell(always = false): void {
    if (this.dirty === 0 && this.drops.length === 0) return;
    const isAll = always || this.drops.length >= dropsMax;
    for (let bits = this.dirty; bits !== 0; bits &= bits - 1) {
      const scanout = 31 - Math.clz32(bits & -bits);
      if (!isAll && !this.pacing.mayTell(scanout)) continue;
      this.dirty &= ~(1 << scanout);
      this.sendScanout(scanout);
    }
    // Scanouts that showed one must be known to show something else first.
    if (this.dirty === 0) this.sendDrops();
  }

  close(): void {
    this.pacing.close();
  }

  private sendDrops(): void {
    for (const surface of this.drops) this.context.send("display", { type: "drop-surface", surface });
    this.drops.length = 0;
  }

  private sendScanout(scanout: number): void {
    const pending = this.scanouts[scanout]!;
    const { context } = this;
    if (pending.changed) {
      pending.changed = false;
      if (pending.shown === null) {
        this.note(Shown.nothing, scanout, pending, pending);
        context.send("display", { type: "hide-scanout", scanout });
      } else {
        const { x, y, width, height } = pending;
        const surface = this.announce(pending.shown);
        if (surface === 0) this.owe(scanout, pending.shown);
        else {
          this.refresh(pending, 0, 0, width, height);
          this.note(Shown.view, scanout, pending, pending);
          context.send("display", { type: "show-scanout", scanout, surface, x, y, width, height });
        }
      }
    } else if (!pending.damage.isEmpty && pending.shown !== null && pending.shown.pixels.surface !== 0) {
      const { left: x, top: y, right, bottom } = pending.damage;
      const width = right - x;
      const height = bottom - y;
      this.refresh(pending, x, y, width, height);
      const message = { type: "flush", scanout, x, y, width, height } as const;
      this.note(Shown.damage, scanout, pending, message);
      context.send("display", message);
    }
    pending.damage.clear();
  }

  /** Lets the tap see what the next message to the display is about. */
  private note(what: number, scanout: number, { shown, command }: Pending, rect: Rect): void {
    this.context.tap?.shown(what, scanout, shown?.pixels.surface ?? 0, shown?.id ?? 0, command, rect);
  }

  /** Turns off a scanout whose picture cannot be shared, and tries again later. */
  private owe(scanout: number, { pixels }: Showable): void {
    const { context } = this;
    context.log.guest(() => {
      const { isThere } = pixels;
      const until = isThere
        ? "the host has room to share its picture"
        : "its picture's pages are guest memory";
      return `scanout ${scanout} is off until ${until}`;
    });
    context.send("display", { type: "hide-scanout", scanout });
    if (this.owed === 0) context.timers.after(retryMs, () => this.payOwed());
    this.owed |= 1 << scanout;
  }

  /** Tries again what is owed, if anything. */
  payOwed(): void {
    for (let bits = this.owed; bits !== 0; bits &= bits - 1) this.markChanged(31 - Math.clz32(bits & -bits));
    this.owed = 0;
  }

  /** Returns the display's name for the picture, which it is told if need be; 0 when the host has no room for that. */
  private announce(picture: Showable): number {
    const { pixels } = picture;
    if (pixels.surface !== 0) return pixels.surface;
    const { dmabuf, modifiers } = this.takes;
    const mayBeDmabuf =
      dmabuf && !this.context.config.copyPictures && this.isShownWhole(picture) && hasDescriptor();
    if (mayBeDmabuf) takeDescriptor();
    const pieces = this.context.config.surfacePiecesMax - this.leases.pieces;
    const surface = pixels.offer(this.nextSurface(), { dmabuf: mayBeDmabuf, modifiers, pieces });
    if (pixels.lacksPieces) this.leases.tellFull(this.context);
    if (pixels.isDmabuf) this.leases.countDmabuf(pixels.surface);
    else if (mayBeDmabuf) giveDescriptor();
    if (surface?.type === "add-guest-surface")
      this.leases.countPieces(surface.surface, surface.pieces.length / 3);
    if (surface !== null) this.context.send("display", surface);
    return pixels.surface;
  }

  /** A number that no predecessor has given either. */
  private nextSurface(): number {
    return (this.context.keep[KeptWord.surface]! += 1);
  }

  /** Whether every scanout of the picture shows all of it: quirks.qemuShowsWholeDmabufs. */
  private isShownWhole({ scanouts, width, height }: Showable): boolean {
    return this.scanouts.every(
      (pending, id) => (scanouts & (1 << id)) === 0 || (pending.width === width && pending.height === height),
    );
  }

  /** Brings a rectangle of a scanout to where the display reads it. */
  private refresh(pending: Pending, x: number, y: number, width: number, height: number): void {
    const { pixels, id } = pending.shown!;
    const isWhole = x === 0 && y === 0 && width === pending.width && height === pending.height;
    if (isWhole) pending.epoch = pixels.epoch;
    const error = pixels.refresh(pending.x + x, pending.y + y, width, height);
    if (error !== 0) this.tellUnread(id, error);
  }

  private tellUnread(id: number, error: number): void {
    this.context.log.guest(() => `resource ${id} cannot be read back (errno ${error})`);
  }

  private markChanged(scanout: number): void {
    const pending = this.scanouts[scanout]!;
    pending.changed = true;
    pending.isAwaited = false;
    if (this.context.tap !== null) pending.command = this.context.tap.command;
    pending.damage.clear();
    this.dirty |= 1 << scanout;
  }
}
