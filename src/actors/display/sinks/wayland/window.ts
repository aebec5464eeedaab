// One scanout's window: an xdg-shell toplevel that shows the newest picture whenever the compositor draws a frame.

import { SystemError } from "../../../../transport/os/errors.ts";
import {
  type WlBuffer,
  type WlOutput,
  type WlSurface,
  type WpFractionalScaleV1,
  type WpViewport,
  type XdgSurface,
  type XdgToplevel,
  XdgToplevelState,
  type ZxdgToplevelDecorationV1,
  ZxdgToplevelDecorationV1Mode,
} from "../../../../transport/wire/wayland/protocol.ts";
import { Damage, type Rect } from "../../../../picture/damage.ts";
import type { Scanout, View } from "../../scanouts/scanout.ts";
import type { AnySurface } from "../../surfaces/surfaces.ts";
import { UnreadableSurface } from "../../surfaces/surface.ts";
import type { Pacer } from "../../../runtime/pacer.ts";
import type { Compositor } from "./compositor.ts";
import { CopiedBuffers } from "./copied-buffers.ts";
import { LentBuffer } from "./lent-buffer.ts";

export interface WindowEvents {
  /** Somebody closed it. */
  closed(): void;
  /** It begins to show this damage of the view. */
  begins(view: View, damage: Damage): void;
  /** Somebody made room for a picture of this size, in pixels. */
  resized(width: number, height: number): void;
  /** The compositor shows it in another scale. */
  rescaled(): void;
  /** Its picture can't be shown; `reason` is a clause for the log. */
  failed(reason: string): void;
}

/** Scales are in this part of one (fractional-scale-v1). */
export const scaleUnit = 120;
/** Buffers of surfaces that are not shown now but may be next, as of a guest that flips pages. */
const lentMax = 8;
const sizeMax = 16_384;

export class Window {
  readonly surface: WlSurface;
  private readonly xdgSurface: XdgSurface;
  private readonly toplevel: XdgToplevel;
  private readonly viewport: WpViewport | null;
  private readonly fractional: WpFractionalScaleV1 | null;
  private readonly decoration: ZxdgToplevelDecorationV1 | null;
  private readonly outputs = new Set<WlOutput>();
  private readonly damage = new Damage();
  private readonly lent = new Map<AnySurface, LentBuffer>();
  private copies: CopiedBuffers | null = null;
  /** What the last commit shows, and the buffer of it where that is lent. */
  private last: View | null = null;
  private shown: LentBuffer | null = null;
  private fractionalScale = 0;
  /** What the compositor asked for last: a size in its own pixels, 0 for any; and whether it must be just that. */
  private wanted = { width: 0, height: 0, isFixed: false };
  private isConfigured = false;
  /** What the viewport was told last. */
  private source = "";
  private destination = "";
  private frames = 0;
  private copiedFrames = 0;

  constructor(
    private readonly compositor: Compositor,
    private readonly scanout: Scanout,
    title: string,
    private readonly pacer: Pacer,
    private readonly events: WindowEvents,
  ) {
    pacer.forget(scanout.id);
    this.surface = compositor.compositor!.createSurface();
    this.surface.listener = {
      enter: (output) => this.moved(() => this.outputs.add(output)),
      leave: (output) => this.moved(() => this.outputs.delete(output)),
    };
    this.viewport = compositor.viewporter?.getViewport(this.surface) ?? null;
    this.fractional = compositor.fractionalScale?.getFractionalScale(this.surface) ?? null;
    if (this.fractional !== null) {
      this.fractional.listener = {
        preferredScale: (scale) => this.moved(() => (this.fractionalScale = scale)),
      };
    }
    this.xdgSurface = compositor.wmBase!.getXdgSurface(this.surface);
    this.xdgSurface.listener = { configure: (serial) => this.configured(serial) };
    this.toplevel = this.xdgSurface.getToplevel();
    this.toplevel.listener = {
      configure: (width, height, states) => (this.wanted = { width, height, isFixed: isFixed(states) }),
      close: () => events.closed(),
    };
    this.toplevel.setTitle(title);
    this.toplevel.setAppId("fencepost");
    this.decoration = compositor.decorations?.getToplevelDecoration(this.toplevel) ?? null;
    this.decoration?.setMode(ZxdgToplevelDecorationV1Mode.serverSide);
    // Asks for the first configure, without a picture.
    this.surface.commit();
    this.change();
  }

  /** The scanout shows another view, all of which is damaged. */
  change(): void {
    const { view } = this.scanout;
    this.damage.clear();
    if (view !== null) this.add({ x: 0, y: 0, width: view.width, height: view.height });
  }

  add({ x, y, width, height }: Rect): void {
    this.damage.add(x, y, width, height);
  }

  get isBehind(): boolean {
    return !this.damage.isEmpty;
  }

  /** Compositor pixels a pixel of the guest takes, in 120ths. */
  get scale(): number {
    if (this.fractionalScale > 0) return this.fractionalScale;
    const { outputScales } = this.compositor;
    const scales = [...this.outputs].map((output) => outputScales.get(output) ?? 1);
    return Math.max(1, ...scales) * scaleUnit;
  }

  /** Shows what has changed, once the compositor wants a frame. Returns whether it did. */
  present(): boolean {
    const { view, id } = this.scanout;
    if (view === null || !this.isConfigured || this.damage.isEmpty || !this.pacer.may(id)) return false;
    const buffer = this.bufferOf(view);
    if (buffer === null) return false;
    const { left, top, right, bottom } = this.damage;
    const [x, y] = this.shown === null ? [0, 0] : [view.x, view.y];
    this.surface.attach(buffer, 0, 0);
    this.events.begins(view, this.damage);
    this.surface.damageBuffer(x + left, y + top, right - left, bottom - top);
    this.damage.clear();
    this.pacer.gave(id);
    this.pacer.hold(id);
    this.surface.frame().listener = { done: () => this.pacer.release(id) };
    this.last = view;
    this.fit(view);
    this.surface.commit();
    this.frames++;
    return true;
  }

  /** `surface` is the ctrl queue's again as soon as nobody reads it. */
  dropped(surface: AnySurface): void {
    const buffer = this.lent.get(surface);
    if (buffer?.isFree) this.forget(buffer);
  }

  /** The compositor is there, and is told that the window goes. */
  close(): void {
    this.fractional?.destroy();
    this.viewport?.destroy();
    this.decoration?.destroy();
    this.toplevel.destroy();
    this.xdgSurface.destroy();
    this.surface.destroy();
    this.abandon();
  }

  /** Lets go of everything of ours, the compositor being gone or told. */
  abandon(): void {
    for (const buffer of this.lent.values()) buffer.destroy();
    this.lent.clear();
    this.copies?.destroy();
    this.copies = null;
  }

  describe(): Record<string, unknown> {
    const { frames, copiedFrames, isBehind, scale } = this;
    return { scanout: this.scanout.id, frames, copiedFrames, behind: isBehind, scale: scale / scaleUnit };
  }

  private configured(serial: number): void {
    this.xdgSurface.ackConfigure(serial);
    const isFirst = !this.isConfigured;
    this.isConfigured = true;
    const { width, height } = this.wanted;
    if (width > 0 && height > 0) this.events.resized(this.toPixels(width), this.toPixels(height));
    if (!isFirst) this.refit();
  }

  private moved(change: () => void): void {
    const { scale } = this;
    change();
    this.refit();
    if (this.scale !== scale) this.events.rescaled();
  }

  /** Fits what is shown to what the compositor said. */
  private refit(): void {
    if (this.last === null) return;
    this.fit(this.last);
    this.surface.commit();
  }

  /** Says which part of the buffer is the picture, and how large it is in the compositor's own pixels. */
  private fit(view: View): void {
    const { viewport, shown, wanted } = this;
    if (viewport === null) return;
    const isPart = shown !== null && !isWhole(view);
    const source = isPart
      ? ([view.x, view.y, view.width, view.height] as const)
      : ([-1, -1, -1, -1] as const);
    const isStretched = wanted.isFixed && wanted.width > 0 && wanted.height > 0;
    const destination = isStretched
      ? ([wanted.width, wanted.height] as const)
      : ([this.toSurface(view.width), this.toSurface(view.height)] as const);
    if (this.source !== source.join()) viewport.setSource(...source);
    if (this.destination !== destination.join()) viewport.setDestination(...destination);
    this.source = source.join();
    this.destination = destination.join();
  }

  private bufferOf(view: View): WlBuffer | null {
    const lent = this.lend(view);
    if (lent !== null) {
      this.shown = lent;
      lent.attached();
      this.copies?.damaged(this.damage);
      return lent.buffer;
    }
    try {
      const buffer = this.copy(view);
      if (buffer !== null) this.shown = null;
      return buffer;
    } catch (error) {
      if (!(error instanceof UnreadableSurface) && !(error instanceof SystemError)) throw error;
      this.damage.clear();
      this.events.failed(error.message);
      return null;
    }
  }

  private lend(view: View): LentBuffer | null {
    // Without a viewport all of a buffer is shown.
    if (this.viewport === null && !isWhole(view)) return null;
    const known = this.lent.get(view.surface);
    if (known !== undefined) {
      // The one that was shown longest ago goes first.
      this.lent.delete(view.surface);
      this.lent.set(view.surface, known);
      return known;
    }
    const made = LentBuffer.of(view.surface, this.compositor, (buffer) => {
      if (!buffer.surface.isUsable) this.forget(buffer);
    });
    if (made === null) return null;
    this.lent.set(view.surface, made);
    for (const buffer of this.lent.values()) {
      if (this.lent.size > lentMax && buffer.isFree && buffer !== made) this.forget(buffer);
    }
    return made;
  }

  private copy(view: View): WlBuffer | null {
    if (this.copies !== null && !this.copies.fits(view)) {
      this.copies.destroy();
      this.copies = null;
    }
    this.copies ??= new CopiedBuffers(this.compositor, view.width, view.height);
    this.copies.damaged(this.damage);
    const buffer = this.copies.take(view);
    if (buffer !== null) this.copiedFrames++;
    return buffer;
  }

  private forget(buffer: LentBuffer): void {
    this.lent.delete(buffer.surface);
    buffer.destroy();
  }

  private toPixels(size: number): number {
    return Math.min(sizeMax, Math.max(1, Math.round((size * this.scale) / scaleUnit)));
  }

  private toSurface(pixels: number): number {
    return Math.max(1, Math.round((pixels * scaleUnit) / this.scale));
  }
}

const isWhole = ({ surface, x, y, width, height }: View): boolean =>
  x === 0 && y === 0 && width === surface.width && height === surface.height;

/** Whether a window in these states must have exactly the size that it was told. */
function isFixed(states: Uint8Array): boolean {
  const words = new DataView(states.buffer, states.byteOffset, states.byteLength);
  for (let at = 0; at + 4 <= states.length; at += 4) {
    const state = words.getUint32(at, true);
    if (state === XdgToplevelState.maximized || state === XdgToplevelState.fullscreen) return true;
  }
  return false;
}
