// The VMM's end of the vhost-user-gpu display socket: answers what the back-end asks and keeps what it shows.
// Pixels arrive in one framebuffer a scanout, so a test compares them and a demo saves them.

import { EPOLLIN, EPOLLRDHUP } from "../transport/os/epoll.ts";
import { SystemError } from "../transport/os/errors.ts";
import { closeFd, setNonBlocking } from "../transport/os/fds.ts";
import { NativeMemory } from "../transport/os/native-memory.ts";
import { CLOSED, SocketIo, WOULD_BLOCK } from "../transport/os/unix-socket.ts";
import {
  CursorPosition,
  CursorUpdate,
  Header,
  replyFlag,
  Request,
  Scanout,
  Update,
} from "../transport/vhost-user-gpu/protocol.ts";
import { cursorSize, DisplayInfo, Edid, Response, scanoutsMax } from "../transport/virtio-gpu/protocol.ts";
import type { Rectangle } from "./commands.ts";
import { libc, asPointer } from "../ffi/libc.ts";
import type { Pump } from "./pump.ts";

export interface DisplayPeerOptions {
  /** Protocol features offered: 0 as QEMU 7.2 does, 3 (EDID and DMABUF2) as QEMU 10 does. */
  features?: number;
  /** One mode an enabled output. */
  modes?: readonly Rectangle[];
  /** What GET_EDID is answered with, up to 1024 bytes. */
  edid?: Uint8Array;
  /** Whether GET_DISPLAY_INFO and GET_EDID are answered at all. */
  answersDisplayInfo?: boolean;
  answersEdid?: boolean;
}

/** What arrived, in order. */
export type DisplayEvent =
  | { kind: "scanout"; scanoutId: number; width: number; height: number }
  | { kind: "update"; scanoutId: number; x: number; y: number; width: number; height: number }
  | { kind: "cursor-update" | "cursor-move" | "cursor-hide"; scanoutId: number; x: number; y: number }
  | { kind: "asked"; request: number };

/** A shown scanout: `pixels[y * width + x]` is 0xXXRRGGBB. */
export interface Framebuffer {
  width: number;
  height: number;
  pixels: Uint32Array;
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

const eventsKept = 10_000;
const fixedBytesMax = CursorUpdate.bytes;
const pixelBytes = 4;

export class DisplayPeer {
  /** Protocol features that the back-end has set, or null before it did. */
  negotiated: bigint | null = null;
  /** Messages by request number, and bytes of everything read. */
  readonly messages = new Map<number, number>();
  bytes = 0;
  /** Whether the back-end has closed its end. */
  closed = false;
  /** What the back-end should not have sent. Empty at the end of every good session. */
  readonly violations: string[] = [];
  readonly events: DisplayEvent[] = [];
  readonly options: Required<DisplayPeerOptions>;
  readonly cursors: CursorState[] = Array.from({ length: scanoutsMax }, () => ({
    visible: false,
    x: 0,
    y: 0,
    hotX: 0,
    hotY: 0,
    pixels: new Uint32Array(cursorSize * cursorSize),
  }));

  private readonly surfaces: (Surface | undefined)[] = [];
  private readonly io = new SocketIo();
  private readonly scratch = NativeMemory.allocate(
    Header.bytes + fixedBytesMax + DisplayInfo.bytes + Edid.bytes,
  );
  private readonly header = new DataView(this.scratch.view(0, Header.bytes));
  private readonly fixed = new DataView(this.scratch.view(Header.bytes, fixedBytesMax));
  private staging: NativeMemory | null = null;
  private reading = true;
  private open = true;
  private stage: "header" | "fixed" | "pixels" = "header";
  /** Where the stage's next byte goes, and how many are still to come. */
  private target: number;
  private missing: number = Header.bytes;
  private update: (Rectangle & { scanoutId: number; direct: boolean }) | null = null;

  constructor(
    private readonly fd: number,
    private readonly pump: Pump,
    options: DisplayPeerOptions = {},
  ) {
    this.options = {
      features: 3,
      modes: [{ x: 0, y: 0, width: 1280, height: 800 }],
      edid: plainEdid(),
      answersDisplayInfo: true,
      answersEdid: true,
      ...options,
    };
    this.target = this.scratch.address;
    setNonBlocking(fd);
    pump.epoll.add(fd, EPOLLIN | EPOLLRDHUP, () => this.read());
  }

  /** What scanout `id` shows, or null while it is off. Valid until its next SCANOUT message. */
  framebuffer(id: number): Framebuffer | null {
    return this.surfaces[id] ?? null;
  }

  /** A copy of what a user sees on scanout `id`, the pointer included; null while it is off. */
  screenshot(id: number): Framebuffer | null {
    const surface = this.surfaces[id];
    if (surface === undefined) return null;
    const { width, height } = surface;
    const pixels = surface.pixels.slice();
    const cursor = this.cursors[id]!;
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

  /** The pixel's 0x00RRGGBB. */
  colourAt(id: number, x: number, y: number): number {
    const surface = this.surfaces[id];
    if (surface === undefined || x >= surface.width || y >= surface.height) {
      throw new RangeError(`scanout ${id} has no pixel ${x},${y}`);
    }
    return surface.pixels[y * surface.width + x]! & 0xffffff;
  }

  count(request: number): number {
    return this.messages.get(request) ?? 0;
  }

  updates(id = 0): Rectangle[] {
    return this.events
      .filter((event) => event.kind === "update")
      .filter((event) => event.scanoutId === id)
      .map(({ x, y, width, height }) => ({ x, y, width, height }));
  }

  /** Stops reading, as a VMM does that hangs. */
  pause(): void {
    if (!this.reading || !this.open) return;
    this.reading = false;
    this.pump.epoll.remove(this.fd);
  }

  resume(): void {
    if (this.reading || !this.open) return;
    this.reading = true;
    this.pump.epoll.add(this.fd, EPOLLIN | EPOLLRDHUP, () => this.read());
  }

  /** Closes our end, as a VMM does that stops the device. */
  close(): void {
    this.hangUp();
  }

  /** Closes, and frees every framebuffer. */
  free(): void {
    this.hangUp();
    for (const surface of this.surfaces) surface?.memory.unmap();
    this.surfaces.length = 0;
    this.staging?.unmap();
    this.staging = null;
  }

  private hangUp(): void {
    if (!this.open) return;
    if (this.reading) this.pump.epoll.remove(this.fd);
    this.open = false;
    this.closed = true;
    closeFd(this.fd);
    this.io.close();
  }

  private read(): void {
    while (this.open && this.reading) {
      let count: number;
      try {
        count = this.io.receive(this.fd, this.target, this.missing);
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "ECONNRESET") throw error;
        count = CLOSED;
      }
      if (count === WOULD_BLOCK) return;
      if (count === CLOSED) return this.hangUp();
      if (this.io.receivedFds.length > 0) {
        for (const fd of this.io.receivedFds) closeFd(fd);
        this.violations.push("a descriptor came with a message that has none");
      }
      this.bytes += count;
      this.target += count;
      this.missing -= count;
      if (this.missing === 0) this.stageDone();
    }
  }

  private expect(stage: "header" | "fixed" | "pixels", target: number, bytes: number): void {
    this.stage = stage;
    this.target = target;
    this.missing = bytes;
  }

  private stageDone(): void {
    if (this.stage === "header") return this.headerDone();
    if (this.stage === "pixels") {
      this.pixelsDone();
      return this.expect("header", this.scratch.address, Header.bytes);
    }
    const request = this.header.getUint32(Header.request, true);
    this.handle(request, this.header.getUint32(Header.size, true));
    if (this.missing === 0) this.expect("header", this.scratch.address, Header.bytes);
  }

  private headerDone(): void {
    const request = this.header.getUint32(Header.request, true);
    const flags = this.header.getUint32(Header.flags, true);
    const size = this.header.getUint32(Header.size, true);
    this.messages.set(request, this.count(request) + 1);
    if (flags !== 0) this.violations.push(`request ${request} has flags 0x${flags.toString(16)}`);
    const expected = payloadBytes[request];
    const wrong =
      expected === undefined || (request === Request.UPDATE ? size < expected : size !== expected);
    if (wrong) {
      this.violations.push(`request ${request} has a payload of ${size} bytes`);
      return this.hangUp();
    }
    this.expect("fixed", this.scratch.address + Header.bytes, expected);
    if (expected === 0) this.stageDone();
  }

  private handle(request: number, size: number): void {
    const { fixed, options } = this;
    switch (request) {
      case Request.GET_PROTOCOL_FEATURES:
        this.record({ kind: "asked", request });
        return this.reply(request, 8, (view) => view.setBigUint64(0, BigInt(options.features), true));
      case Request.SET_PROTOCOL_FEATURES:
        this.negotiated = fixed.getBigUint64(0, true);
        if ((this.negotiated & ~BigInt(options.features)) !== 0n) {
          this.violations.push(`protocol features ${this.negotiated} were set, ${options.features} offered`);
        }
        return;
      case Request.GET_DISPLAY_INFO:
        this.record({ kind: "asked", request });
        if (options.answersDisplayInfo) this.answerDisplayInfo();
        return;
      case Request.GET_EDID:
        this.record({ kind: "asked", request });
        if ((options.features & 1) === 0) this.violations.push("GET_EDID was asked of a VMM without EDID");
        else if (options.answersEdid) this.answerEdid();
        return;
      case Request.SCANOUT:
        return this.setScanout(
          fixed.getUint32(Scanout.scanoutId, true),
          fixed.getUint32(Scanout.width, true),
          fixed.getUint32(Scanout.height, true),
        );
      case Request.UPDATE:
        return this.startUpdate(size);
      case Request.CURSOR_POS:
      case Request.CURSOR_POS_HIDE:
      case Request.CURSOR_UPDATE:
        return this.moveCursor(request);
    }
  }

  private setScanout(scanoutId: number, width: number, height: number): void {
    this.record({ kind: "scanout", scanoutId, width, height });
    if (scanoutId >= scanoutsMax) {
      this.violations.push(`SCANOUT of scanout ${scanoutId}`);
      return;
    }
    const old = this.surfaces[scanoutId];
    if (old !== undefined && old.width === width && old.height === height) return;
    old?.memory.unmap();
    if (width === 0 || height === 0) {
      delete this.surfaces[scanoutId];
      return;
    }
    const memory = NativeMemory.allocate(width * height * pixelBytes);
    this.surfaces[scanoutId] = { width, height, memory, pixels: new Uint32Array(memory.view()) };
  }

  private startUpdate(size: number): void {
    const { fixed } = this;
    const scanoutId = fixed.getUint32(Update.scanoutId, true);
    const x = fixed.getUint32(Update.x, true);
    const y = fixed.getUint32(Update.y, true);
    const width = fixed.getUint32(Update.width, true);
    const height = fixed.getUint32(Update.height, true);
    this.record({ kind: "update", scanoutId, x, y, width, height });
    const bytes = width * height * pixelBytes;
    const surface = this.surfaces[scanoutId];
    const text = `UPDATE ${scanoutId}: ${width}x${height}+${x}+${y}`;
    if (size - Update.bytes !== bytes) {
      this.violations.push(`${text} has ${size - Update.bytes} bytes of pixels`);
      return this.hangUp();
    }
    const inside = surface !== undefined && x + width <= surface.width && y + height <= surface.height;
    if (!inside) this.violations.push(`${text} is outside of the scanout`);
    // Whole rows go straight to where they are shown.
    const direct = inside && x === 0 && width === surface.width;
    this.update = { scanoutId, x, y, width, height, direct };
    if (bytes === 0) return;
    const target = direct ? surface.memory.address + y * width * pixelBytes : this.stagingOf(bytes);
    this.expect("pixels", target, bytes);
  }

  private pixelsDone(): void {
    const { scanoutId, x, y, width, height, direct } = this.update!;
    const surface = this.surfaces[scanoutId];
    if (direct || surface === undefined) return;
    if (x + width > surface.width || y + height > surface.height) return;
    const rowBytes = width * pixelBytes;
    for (let row = 0; row < height; row++) {
      const to = surface.memory.address + ((y + row) * surface.width + x) * pixelBytes;
      libc.memcpy(asPointer(to), asPointer(this.staging!.address + row * rowBytes), rowBytes);
    }
  }

  private stagingOf(bytes: number): number {
    if (this.staging === null || this.staging.length < bytes) {
      this.staging?.unmap();
      this.staging = NativeMemory.allocate(bytes);
    }
    return this.staging.address;
  }

  private moveCursor(request: number): void {
    const { fixed } = this;
    const scanoutId = fixed.getUint32(CursorPosition.scanoutId, true);
    const x = fixed.getUint32(CursorPosition.x, true);
    const y = fixed.getUint32(CursorPosition.y, true);
    const cursor = this.cursors[scanoutId];
    if (cursor === undefined) {
      this.violations.push(`a cursor on scanout ${scanoutId}`);
      return;
    }
    cursor.x = x;
    cursor.y = y;
    if (request === Request.CURSOR_UPDATE) {
      cursor.visible = true;
      cursor.hotX = fixed.getUint32(CursorUpdate.hotX, true);
      cursor.hotY = fixed.getUint32(CursorUpdate.hotY, true);
      const image = new Uint8Array(
        fixed.buffer,
        fixed.byteOffset + CursorUpdate.data,
        cursor.pixels.byteLength,
      );
      new Uint8Array(cursor.pixels.buffer).set(image);
      return this.record({ kind: "cursor-update", scanoutId, x, y });
    }
    if (request === Request.CURSOR_POS_HIDE) cursor.visible = false;
    this.record({
      kind: request === Request.CURSOR_POS_HIDE ? "cursor-hide" : "cursor-move",
      scanoutId,
      x,
      y,
    });
  }

  private answerDisplayInfo(): void {
    const { modes } = this.options;
    this.reply(Request.GET_DISPLAY_INFO, DisplayInfo.bytes, (view) => {
      view.setUint32(0, Response.OK_DISPLAY_INFO, true);
      modes.forEach((mode, index) => {
        const offset = DisplayInfo.modes + index * DisplayInfo.mode.bytes;
        view.setUint32(offset + DisplayInfo.mode.x, mode.x, true);
        view.setUint32(offset + DisplayInfo.mode.y, mode.y, true);
        view.setUint32(offset + DisplayInfo.mode.width, mode.width, true);
        view.setUint32(offset + DisplayInfo.mode.height, mode.height, true);
        view.setUint32(offset + DisplayInfo.mode.enabled, mode.width > 0 ? 1 : 0, true);
      });
    });
  }

  private answerEdid(): void {
    const { edid } = this.options;
    this.reply(Request.GET_EDID, Edid.bytes, (view, bytes) => {
      view.setUint32(0, Response.OK_EDID, true);
      view.setUint32(Edid.size, edid.length, true);
      bytes.set(edid, Edid.edid);
    });
  }

  private reply(request: number, size: number, fill: (view: DataView, bytes: Uint8Array) => void): void {
    const offset = Header.bytes + fixedBytesMax;
    const bytes = new Uint8Array(this.scratch.view(offset, Header.bytes + size)).fill(0);
    const header = new DataView(bytes.buffer);
    header.setUint32(Header.request, request, true);
    header.setUint32(Header.flags, replyFlag, true);
    header.setUint32(Header.size, size, true);
    fill(new DataView(bytes.buffer, Header.bytes), bytes.subarray(Header.bytes));
    this.io.clear();
    this.io.gather(this.scratch.address + offset, bytes.length);
    try {
      if (this.io.send(this.fd) !== bytes.length)
        this.violations.push("the back-end does not read its answers");
    } catch (error) {
      // The back-end may hang up without waiting for what it asked.
      if (!(error instanceof SystemError) || error.code !== "EPIPE") throw error;
    }
  }

  private record(event: DisplayEvent): void {
    if (this.events.length < eventsKept) this.events.push(event);
  }
}

interface Surface extends Framebuffer {
  memory: NativeMemory;
}

/** Payload bytes by request; an UPDATE's pixels come after them. */
const payloadBytes: Record<number, number> = {
  [Request.GET_PROTOCOL_FEATURES]: 0,
  [Request.SET_PROTOCOL_FEATURES]: 8,
  [Request.GET_DISPLAY_INFO]: 0,
  [Request.CURSOR_POS]: CursorPosition.bytes,
  [Request.CURSOR_POS_HIDE]: CursorPosition.bytes,
  [Request.CURSOR_UPDATE]: CursorUpdate.bytes,
  [Request.SCANOUT]: Scanout.bytes,
  [Request.UPDATE]: Update.bytes,
  [Request.GET_EDID]: 4,
};

/** `over` (0xAARRGGBB, straight alpha) over an opaque pixel. */
function blend(under: number, over: number): number {
  const alpha = over >>> 24;
  const mix = (shift: number) => {
    const low = (under >>> shift) & 0xff;
    return Math.round(low + ((((over >>> shift) & 0xff) - low) * alpha) / 255) << shift;
  };
  return mix(16) | mix(8) | mix(0);
}

/** A block that names the maker "FPT" and nothing else, with header and checksum of an EDID 1.4. */
function plainEdid(): Uint8Array {
  const edid = new Uint8Array(128);
  edid.set([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x1a, 0x14, 1, 0, 1, 0, 0, 0, 1, 34, 1, 4]);
  edid[127] = 256 - (edid.reduce((sum, byte) => sum + byte, 0) & 0xff);
  return edid;
}
