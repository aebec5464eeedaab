// One scanout of a VMM's display: a picture of its own that updates draw on, a dma-buf that hides it, and a pointer.

import { asPointer, libc } from "../../src/ffi/libc.ts";
import { type DmabufImage, readDmabuf } from "../../src/picture/dmabuf.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { cursorSize } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";

/** A shown scanout: `pixels[y * width + x]` is 0xXXRRGGBB. */
export interface Framebuffer {
  width: number;
  height: number;
  pixels: Uint32Array;
}

/** What DMABUF_SCANOUT lent: a rectangle of a dma-buf. */
export interface LentDmabuf extends DmabufImage {
  view: Rectangle;
}

export interface CursorState {
  visible: boolean;
  x: number;
  y: number;
  hotX: number;
  hotY: number;
  /** 64 × 64 pixels, 0xAARRGGBB. */
  pixels: Uint32Array;
}

interface Picture extends Framebuffer {
  memory: NativeMemory;
}

const pixelBytes = 4;

export class DisplayScanout {
  readonly cursor: CursorState = {
    visible: false,
    x: 0,
    y: 0,
    hotX: 0,
    hotY: 0,
    pixels: new Uint32Array(cursorSize * cursorSize),
  };
  private picture: Picture | null = null;
  private lent: LentDmabuf | null = null;
  /** Whether SCANOUT came after the dma-buf, and hides it in turn. */
  private isPictureFirst = true;

  constructor(private readonly read: typeof readDmabuf) {}

  /** The dma-buf that is shown, or null. */
  get dmabuf(): LentDmabuf | null {
    return this.isPictureFirst ? null : this.lent;
  }

  /** The size of what is shown, or null while it is off. */
  get size(): { width: number; height: number } | null {
    return this.dmabuf?.view ?? this.picture;
  }

  /** SCANOUT: a black picture, or with no size none. */
  setPicture(width: number, height: number): void {
    const old = this.picture;
    this.isPictureFirst = true;
    if (old !== null && old.width === width && old.height === height) return;
    old?.memory.unmap();
    this.picture = null;
    if (width === 0 || height === 0) return;
    const memory = NativeMemory.allocate(width * height * pixelBytes);
    this.picture = { width, height, memory, pixels: new Uint32Array(memory.view()) };
  }

  /** DMABUF_SCANOUT: takes over the descriptor, and closes the one before; null shows the picture again. */
  setDmabuf(lent: LentDmabuf | null): void {
    if (this.lent !== null) closeFd(this.lent.fd);
    this.lent = lent;
    this.isPictureFirst = lent === null;
  }

  /** Whether `rect` lies inside of what is shown. */
  contains({ x, y, width, height }: Rectangle): boolean {
    const { size } = this;
    return size !== null && x + width <= size.width && y + height <= size.height;
  }

  /** The native address of whole rows of the picture, which `rect` must be to be received there; or null. */
  rowsAt(rect: Rectangle): number | null {
    if (this.picture === null || !this.contains(rect)) return null;
    if (rect.x !== 0 || rect.width !== this.picture.width) return null;
    return this.picture.memory.address + rect.y * rect.width * pixelBytes;
  }

  /** Draws pixels that lie packed at a native address. */
  draw({ x, y, width, height }: Rectangle, address: number): void {
    const rowBytes = width * pixelBytes;
    for (let row = 0; row < height; row++) {
      const to = this.picture!.memory.address + ((y + row) * this.picture!.width + x) * pixelBytes;
      libc.memcpy(asPointer(to), asPointer(address + row * rowBytes), rowBytes);
    }
  }

  /** A new image of 64 × 64 pixels, bytes B, G, R, A. */
  setCursor(hotX: number, hotY: number, image: Uint8Array): void {
    this.cursor.visible = true;
    this.cursor.hotX = hotX;
    this.cursor.hotY = hotY;
    new Uint8Array(this.cursor.pixels.buffer).set(image);
  }

  moveCursor(x: number, y: number, isHidden: boolean): void {
    this.cursor.x = x;
    this.cursor.y = y;
    this.cursor.visible &&= !isHidden;
  }

  /** What is shown: the picture itself, or a copy of what the dma-buf has now. Throws what its reader throws. */
  framebuffer(): Framebuffer | null {
    const { dmabuf } = this;
    if (dmabuf === null) return this.picture;
    const { width, height } = dmabuf.view;
    const pixels = new Uint32Array(width * height);
    this.read(dmabuf, dmabuf.view, pixels);
    return { width, height, pixels };
  }

  /** A copy of what a user sees, the pointer included; null while it is off. */
  screenshot(): Framebuffer | null {
    const shown = this.framebuffer();
    if (shown === null) return null;
    const { width, height } = shown;
    const pixels = shown.pixels.slice();
    const { cursor } = this;
    for (let row = 0; cursor.visible && row < cursorSize; row++) {
      for (let column = 0; column < cursorSize; column++) {
        const x = cursor.x - cursor.hotX + column;
        const y = cursor.y - cursor.hotY + row;
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        const at = y * width + x;
        pixels[at] = blend(pixels[at]!, cursor.pixels[row * cursorSize + column]!);
      }
    }
    return { width, height, pixels };
  }

  free(): void {
    this.setDmabuf(null);
    this.setPicture(0, 0);
  }
}

/** `over` (0xAARRGGBB, straight alpha) over an opaque pixel. */
function blend(under: number, over: number): number {
  const alpha = over >>> 24;
  const mix = (shift: number) => {
    const low = (under >>> shift) & 0xff;
    return Math.round(low + ((((over >>> shift) & 0xff) - low) * alpha) / 255) << shift;
  };
  return mix(16) | mix(8) | mix(0);
}
