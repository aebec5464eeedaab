// The guest's cursors as the cursors of its windows, for one seat of the compositor.

import { asPointer, libc } from "../../../ffi/libc.ts";
import { closeFd, createMemfd } from "../../../transport/os/fds.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel, cursorSize } from "../../../transport/virtio-gpu/protocol.ts";
import {
  type WlBuffer,
  type WlPointer,
  type WlSeat,
  WlSeatCapability,
  type WlSurface,
  type WpViewport,
} from "../../../transport/wayland/protocol.ts";
import { cursorImageBytes, type Scanout } from "../scanout.ts";
import type { Compositor } from "./compositor.ts";
import { shmArgb8888 } from "./shm-formats.ts";
import { scaleUnit, type Window } from "./window.ts";

/** Where the pointer is. */
interface Place {
  serial: number;
  window: Window;
  scanout: Scanout;
}

/** One is shown, one is about to be, and the compositor may be late in giving one back. */
const slots = 3;

export class Pointer {
  private pointer: WlPointer | null = null;
  private place: Place | null = null;
  private image: CursorSurface | null = null;
  /** Whether the compositor has yet to be told of the image, and of the hot spot or of whether there is a cursor. */
  private isImageNew = false;
  private isStateNew = false;
  private isShown = false;

  /** `placeOf` answers what a surface of ours shows. */
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
    if (this.isImageNew && !this.image.show(image.address, scale)) return;
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
  private readonly memory: NativeMemory;
  private readonly buffers: { buffer: WlBuffer; isBusy: boolean }[];

  constructor(compositor: Compositor) {
    this.surface = compositor.compositor!.createSurface();
    this.viewport = compositor.viewporter?.getViewport(this.surface) ?? null;
    const bytes = slots * cursorImageBytes;
    const fd = createMemfd("fencepost-cursor", bytes);
    try {
      this.memory = NativeMemory.mapShared(fd, 0, bytes, "write");
      const pool = compositor.shm!.createPool(fd, bytes);
      this.buffers = Array.from({ length: slots }, (_, slot) => {
        const stride = cursorSize * bytesPerPixel;
        const at = slot * cursorImageBytes;
        const buffer = pool.createBuffer(at, cursorSize, cursorSize, stride, shmArgb8888);
        const one = { buffer, isBusy: false };
        buffer.listener = { release: () => (one.isBusy = false) };
        return one;
      });
      pool.destroy();
    } finally {
      closeFd(fd);
    }
  }

  /**
   * Shows the image at a native address, whose alpha is premultiplied as wl_shm wants it: Linux guests assume that of
   * their cursor planes. Answers false while the compositor has every buffer.
   */
  show(address: number, scale: number): boolean {
    const slot = this.buffers.findIndex(({ isBusy }) => !isBusy);
    if (slot < 0) return false;
    const one = this.buffers[slot]!;
    const target = asPointer(this.memory.address + slot * cursorImageBytes);
    libc.memcpy(target, asPointer(address), cursorImageBytes);
    one.isBusy = true;
    const size = Math.round(cursorSize / scale);
    this.viewport?.setDestination(size, size);
    this.surface.attach(one.buffer, 0, 0);
    this.surface.damageBuffer(0, 0, cursorSize, cursorSize);
    this.surface.commit();
    return true;
  }

  free(): void {
    this.memory.unmap();
  }
}
