// The guest's cursors as the cursors of its windows, for one seat of the compositor.

import { cursorSize } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import {
  type WlPointer,
  type WlSeat,
  WlSeatCapability,
  type WlSurface,
  type WpViewport,
} from "../../../../transport/wire/wayland/protocol.ts";
import type { Scanout } from "../../scanouts/scanout.ts";
import type { Compositor } from "./compositor.ts";
import { ShmBuffers, usualCount } from "./shm-buffers.ts";
import { shmArgb8888 } from "./shm-formats.ts";
import { scaleUnit, type Window } from "./window.ts";

/** Where the pointer is. */
interface Place {
  serial: number;
  window: Window;
  scanout: Scanout;
}

export class Pointer {
  private pointer: WlPointer | null = null;
  private place: Place | null = null;
  private image: CursorSurface | null = null;
  /** Whether the compositor has yet to be told of the image, and of the hot spot or of whether there is a cursor. */
  private isImageNew = false;
  private isStateNew = false;
  private isShown = false;

  /** `placeOf` returns what a surface of ours shows. */
  constructor(
    private readonly compositor: Compositor,
    seat: WlSeat,
    private readonly placeOf: (surface: WlSurface) => Omit<Place, "serial"> | null,
  ) {
    seat.listener = {
      capabilities: (capabilities) => {
        const has = (capabilities & WlSeatCapability.pointer) !== 0;
        if (has && this.pointer === null) this.listen(seat.getPointer());
        else if (!has && this.pointer !== null) this.stop();
      },
    };
  }

  /** The cursor of `scanout` has a new image. */
  loaded(scanout: Scanout): void {
    if (this.place?.scanout !== scanout) return;
    this.isImageNew = this.isStateNew = true;
  }

  /** It was hidden, or moved: where it is, is what the compositor says, and no news to it. */
  moved(scanout: Scanout): void {
    if (this.place?.scanout === scanout && scanout.cursor.isVisible !== this.isShown) this.isStateNew = true;
  }

  /** A window has another scale, and its cursor with it. */
  rescaled(window: Window): void {
    if (this.place?.window === window) this.isImageNew = this.isStateNew = true;
  }

  /** A window is gone. */
  left(window: Window): void {
    if (this.place?.window === window) this.place = null;
  }

  /** Tells the compositor what is new. */
  present(): void {
    const { pointer, place } = this;
    if (pointer === null || place === null || !this.isStateNew) return;
    const { isVisible, hotX, hotY, image } = place.scanout.cursor;
    if (!isVisible || image === null) {
      this.isStateNew = this.isShown = false;
      pointer.setCursor(place.serial, null, 0, 0);
      return;
    }
    this.image ??= new CursorSurface(this.compositor);
    const scale = place.window.scale / scaleUnit;
    if (this.isImageNew && !this.image.show(new Uint32Array(image.view()), scale)) return;
    this.isImageNew = this.isStateNew = false;
    this.isShown = true;
    pointer.setCursor(place.serial, this.image.surface, Math.round(hotX / scale), Math.round(hotY / scale));
  }

  /** Lets go of everything of ours; the compositor is gone. */
  abandon(): void {
    this.image?.free();
    this.image = null;
    this.place = null;
  }

  private listen(pointer: WlPointer): void {
    this.pointer = pointer;
    pointer.listener = {
      enter: (serial, surface) => {
        const place = this.placeOf(surface);
        this.place = place === null ? null : { serial, ...place };
        this.isImageNew = this.isStateNew = true;
      },
      leave: () => (this.place = null),
    };
  }

  private stop(): void {
    this.pointer?.release();
    this.pointer = null;
    this.place = null;
  }
}

/** What the compositor draws as the cursor. */
class CursorSurface {
  readonly surface: WlSurface;
  private readonly viewport: WpViewport | null;
  private readonly buffers: ShmBuffers;

  constructor(compositor: Compositor) {
    this.surface = compositor.compositor!.createSurface();
    this.viewport = compositor.viewporter?.getViewport(this.surface) ?? null;
    const name = "fencepost-cursor";
    this.buffers = new ShmBuffers(compositor, name, usualCount, cursorSize, cursorSize, shmArgb8888);
  }

  /**
   * Shows an image, whose alpha is premultiplied as wl_shm wants it: Linux guests assume that of
   * their cursor planes. Returns false while the compositor has every buffer.
   */
  show(image: Uint32Array, scale: number): boolean {
    const at = this.buffers.free();
    if (at < 0) return false;
    this.buffers.pixels[at]!.set(image);
    const size = Math.round(cursorSize / scale);
    this.viewport?.setDestination(size, size);
    this.surface.attach(this.buffers.take(at), 0, 0);
    this.surface.damageBuffer(0, 0, cursorSize, cursorSize);
    this.surface.commit();
    return true;
  }

  free(): void {
    this.buffers.destroy();
  }
}
