// The VMM's end of the vhost-user-gpu display socket: answers what the back-end asks and keeps what it shows, for a
// test to compare and a demo to save.

import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { readDmabuf } from "../../src/picture/dmabuf.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import {
  CursorPosition,
  CursorUpdate,
  DmabufScanout,
  DmabufScanout2,
  ProtocolFeature,
  DisplayRequest,
  Scanout,
  Update,
} from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { cursorSize, scanoutsMax } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";
import * as answers from "./display-answers.ts";
import { type CursorState, DisplayScanout, type Framebuffer, type LentDmabuf } from "./display-scanout.ts";
import { DisplayStream, type PixelTarget } from "./display-stream.ts";
import type { Pump } from "../driver/pump.ts";

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
  /** Whether DMABUF_UPDATE is answered at once, and not by {@link DisplayPeer.answerUpdate}. */
  answersUpdates?: boolean;
  /** How a dma-buf is read, for {@link DisplayPeer.framebuffer}. */
  readDmabuf?: typeof readDmabuf;
}

/** What arrived, in order. */
export type DisplayEvent =
  | { kind: "scanout"; scanoutId: number; width: number; height: number }
  | {
      kind: "update" | "dmabuf-update";
      scanoutId: number;
      x: number;
      y: number;
      width: number;
      height: number;
    }
  /** Width and height 0: it was taken off. */
  | { kind: "dmabuf-scanout"; scanoutId: number; width: number; height: number }
  | { kind: "cursor-update" | "cursor-move" | "cursor-hide"; scanoutId: number; x: number; y: number }
  | { kind: "asked"; request: number };

const eventsKept = 10_000;
const pixelBytes = 4;
const cursorBytes = cursorSize * cursorSize * pixelBytes;

export class DisplayPeer {
  /** Protocol features that the back-end has set, or null before it did. */
  negotiated: bigint | null = null;
  /** Messages by request number. */
  readonly messages = new Map<number, number>();
  /** What the back-end should not have sent. Empty at the end of every good session. */
  readonly violations: string[] = [];
  readonly events: DisplayEvent[] = [];
  readonly options: Required<DisplayPeerOptions>;

  private readonly scanouts = Array.from(
    { length: scanoutsMax },
    () => new DisplayScanout((...args) => this.options.readDmabuf(...args)),
  );
  private readonly stream: DisplayStream;
  /** Scanouts whose DMABUF_UPDATE is unanswered, the oldest first. */
  private readonly unanswered: number[] = [];
  private staging: NativeMemory | null = null;
  private update: (Rectangle & { scanoutId: number; target: "picture" | "staging" | "nowhere" }) | null =
    null;

  constructor(fd: number, pump: Pump, options: DisplayPeerOptions = {}) {
    this.options = {
      features: 3,
      modes: [{ x: 0, y: 0, width: 1280, height: 800 }],
      edid: answers.plainEdid(),
      answersDisplayInfo: true,
      answersEdid: true,
      answersUpdates: true,
      readDmabuf,
      ...options,
    };
    this.stream = new DisplayStream(fd, pump, {
      began: (request) => this.messages.set(request, this.count(request) + 1),
      message: (request, payload, messageFd, bytes) => this.handle(request, payload, messageFd, bytes),
      pixels: () => this.pixelsDone(),
      violation: (text) => this.violations.push(text),
    });
  }

  /** Bytes of everything read. */
  get bytes(): number {
    return this.stream.bytes;
  }

  /** Whether either end has hung up. */
  get closed(): boolean {
    return !this.stream.isOpen;
  }

  get cursors(): CursorState[] {
    return this.scanouts.map(({ cursor }) => cursor);
  }

  /** What scanout `id` shows, or null while it is off. Valid until its next SCANOUT message. */
  framebuffer(id: number): Framebuffer | null {
    return this.scanouts[id]!.framebuffer();
  }

  /** The dma-buf that scanout `id` shows, or null. */
  dmabuf(id: number): LentDmabuf | null {
    return this.scanouts[id]!.dmabuf;
  }

  /** A copy of what a user sees on scanout `id`, the pointer included; null while it is off. */
  screenshot(id: number): Framebuffer | null {
    return this.scanouts[id]!.screenshot();
  }

  /** The pixel's 0x00RRGGBB. */
  colourAt(id: number, x: number, y: number): number {
    const shown = this.framebuffer(id);
    if (shown === null || x >= shown.width || y >= shown.height) {
      throw new RangeError(`scanout ${id} has no pixel ${x},${y}`);
    }
    return shown.pixels[y * shown.width + x]! & 0xffffff;
  }

  count(request: number): number {
    return this.messages.get(request) ?? 0;
  }

  /** The damage that came for scanout `id`, as pixels and of dma-bufs. */
  updates(id = 0): Rectangle[] {
    return this.events.flatMap((event) => {
      if (event.kind !== "update" && event.kind !== "dmabuf-update") return [];
      const { scanoutId, x, y, width, height } = event;
      return scanoutId === id ? [{ x, y, width, height }] : [];
    });
  }

  /** Returns the oldest DMABUF_UPDATE that has no answer. Throws when there is none. */
  answerUpdate(): void {
    if (this.unanswered.shift() === undefined) throw new Error("no DMABUF_UPDATE waits for its answer");
    this.stream.reply(DisplayRequest.DMABUF_UPDATE);
  }

  /** Stops reading, as a VMM does that hangs. */
  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  /** Closes our end, as a VMM does that stops the device. */
  close(): void {
    this.stream.close();
  }

  /** Closes, and frees every framebuffer. */
  free(): void {
    this.stream.free();
    for (const scanout of this.scanouts) scanout.free();
    this.staging?.unmap();
    this.staging = null;
  }

  private handle(
    request: number,
    payload: DataView,
    fd: number,
    pixelBytes: number,
  ): PixelTarget | undefined {
    switch (request) {
      case DisplayRequest.GET_PROTOCOL_FEATURES:
      case DisplayRequest.GET_DISPLAY_INFO:
      case DisplayRequest.GET_EDID:
        this.record({ kind: "asked", request });
        this.answer(request);
        return undefined;
      case DisplayRequest.SET_PROTOCOL_FEATURES:
        this.setFeatures(payload.getBigUint64(0, true));
        return undefined;
      case DisplayRequest.UPDATE:
        return this.startUpdate(payload, pixelBytes);
      case DisplayRequest.SCANOUT:
        this.setScanout(payload);
        return undefined;
      case DisplayRequest.DMABUF_SCANOUT:
      case DisplayRequest.DMABUF_SCANOUT2:
        this.setDmabuf(request, payload, fd);
        return undefined;
      case DisplayRequest.DMABUF_UPDATE:
        this.updateDmabuf(payload);
        return undefined;
      default:
        this.moveCursor(request, payload);
        return undefined;
    }
  }

  private answer(request: number): void {
    const { options, stream } = this;
    if (request === DisplayRequest.GET_PROTOCOL_FEATURES) {
      stream.reply(request, answers.features(options.features));
    } else if (request === DisplayRequest.GET_DISPLAY_INFO) {
      if (options.answersDisplayInfo) stream.reply(request, answers.displayInfo(options.modes));
    } else if (!this.offers(ProtocolFeature.EDID)) {
      this.violations.push("GET_EDID was asked of a VMM without EDID");
    } else if (options.answersEdid) {
      stream.reply(request, answers.edid(options.edid));
    }
  }

  private setFeatures(features: bigint): void {
    this.negotiated = features;
    if ((features & ~BigInt(this.options.features)) === 0n) return;
    this.violations.push(`protocol features ${features} were set, ${this.options.features} offered`);
  }

  private offers(feature: number): boolean {
    return (this.options.features & (1 << feature)) !== 0;
  }

  private setScanout(payload: DataView): void {
    const scanoutId = payload.getUint32(Scanout.scanoutId, true);
    const width = payload.getUint32(Scanout.width, true);
    const height = payload.getUint32(Scanout.height, true);
    this.record({ kind: "scanout", scanoutId, width, height });
    this.find(scanoutId, "SCANOUT")?.setPicture(width, height);
  }

  private setDmabuf(request: number, payload: DataView, fd: number): void {
    const field = (offset: number): number => payload.getUint32(offset, true);
    const hasModifier = request === DisplayRequest.DMABUF_SCANOUT2;
    const scanoutId = field(DmabufScanout.scanoutId);
    const view = {
      x: field(DmabufScanout.x),
      y: field(DmabufScanout.y),
      width: field(DmabufScanout.width),
      height: field(DmabufScanout.height),
    };
    const width = field(DmabufScanout.fdWidth);
    const height = field(DmabufScanout.fdHeight);
    this.record({ kind: "dmabuf-scanout", scanoutId, width: view.width, height: view.height });
    const name = hasModifier ? "DMABUF_SCANOUT2" : "DMABUF_SCANOUT";
    const scanout = this.find(scanoutId, name);
    if (hasModifier && !this.offers(ProtocolFeature.DMABUF2)) {
      this.violations.push("DMABUF_SCANOUT2 was sent to a VMM without DMABUF2");
    }
    if ((view.width === 0 || view.height === 0) !== fd < 0) {
      this.violations.push(`${name} of ${view.width}x${view.height} with descriptor ${fd}`);
    } else if (view.x + view.width > width || view.y + view.height > height) {
      this.violations.push(`${name} shows more than its ${width}x${height} pixels`);
    }
    if (fd < 0 || scanout === null) {
      closeFd(fd);
      scanout?.setDmabuf(null);
      return;
    }
    scanout.setDmabuf({
      fd,
      width,
      height,
      stride: field(DmabufScanout.fdStride),
      offset: 0,
      flags: field(DmabufScanout.fdFlags),
      fourcc: field(DmabufScanout.fdFourcc),
      modifierLow: hasModifier ? field(DmabufScanout2.modifier) : 0,
      modifierHigh: hasModifier ? field(DmabufScanout2.modifier + 4) : 0,
      view,
    });
  }

  private updateDmabuf(payload: DataView): void {
    const { scanoutId, ...rect } = readUpdate(payload);
    this.record({ kind: "dmabuf-update", scanoutId, ...rect });
    const scanout = this.find(scanoutId, "DMABUF_UPDATE");
    if (scanout === null) return;
    if (scanout.dmabuf === null) {
      this.violations.push(`DMABUF_UPDATE of scanout ${scanoutId}, which shows no dma-buf`);
    } else if (!scanout.contains(rect)) {
      this.violations.push(`DMABUF_UPDATE ${described(scanoutId, rect)} is outside of the scanout`);
    }
    if (this.unanswered.includes(scanoutId)) {
      this.violations.push(`a second DMABUF_UPDATE of scanout ${scanoutId} before the first was answered`);
    }
    this.unanswered.push(scanoutId);
    if (this.options.answersUpdates) this.answerUpdate();
  }

  private startUpdate(payload: DataView, bytes: number): PixelTarget | undefined {
    const { scanoutId, ...rect } = readUpdate(payload);
    this.record({ kind: "update", scanoutId, ...rect });
    const text = `UPDATE ${described(scanoutId, rect)}`;
    if (bytes !== rect.width * rect.height * pixelBytes) {
      this.violations.push(`${text} has ${bytes} bytes of pixels`);
      this.stream.close();
      return undefined;
    }
    const scanout = this.find(scanoutId, "UPDATE");
    const isShown = scanout !== null && scanout.dmabuf === null && scanout.contains(rect);
    if (scanout !== null && !isShown) {
      const where = scanout.dmabuf === null ? "is outside of the scanout" : "came while a dma-buf is shown";
      this.violations.push(`${text} ${where}`);
    }
    if (bytes === 0) return undefined;
    // Whole rows go straight to where they are shown.
    const rows = isShown ? scanout.rowsAt(rect) : null;
    const target = rows !== null ? "picture" : isShown ? "staging" : "nowhere";
    this.update = { scanoutId, ...rect, target };
    return rows ?? this.stagingOf(bytes);
  }

  private pixelsDone(): void {
    const { scanoutId, target, ...rect } = this.update!;
    if (target === "staging") this.scanouts[scanoutId]!.draw(rect, this.staging!.address);
  }

  private stagingOf(bytes: number): number {
    if (this.staging === null || this.staging.length < bytes) {
      this.staging?.unmap();
      this.staging = NativeMemory.allocate(bytes);
    }
    return this.staging.address;
  }

  private moveCursor(request: number, payload: DataView): void {
    const scanoutId = payload.getUint32(CursorPosition.scanoutId, true);
    const x = payload.getUint32(CursorPosition.x, true);
    const y = payload.getUint32(CursorPosition.y, true);
    const scanout = this.find(scanoutId, "a cursor");
    if (scanout === null) return;
    if (request === DisplayRequest.CURSOR_UPDATE) {
      const hotX = payload.getUint32(CursorUpdate.hotX, true);
      const hotY = payload.getUint32(CursorUpdate.hotY, true);
      const image = new Uint8Array(payload.buffer, payload.byteOffset + CursorUpdate.data, cursorBytes);
      scanout.setCursor(hotX, hotY, image);
    }
    const isHidden = request === DisplayRequest.CURSOR_POS_HIDE;
    scanout.moveCursor(x, y, isHidden);
    const kind =
      request === DisplayRequest.CURSOR_UPDATE ? "cursor-update" : isHidden ? "cursor-hide" : "cursor-move";
    this.record({ kind, scanoutId, x, y });
  }

  private find(scanoutId: number, what: string): DisplayScanout | null {
    const scanout = this.scanouts[scanoutId];
    if (scanout === undefined) this.violations.push(`${what} of scanout ${scanoutId}`);
    return scanout ?? null;
  }

  private record(event: DisplayEvent): void {
    if (this.events.length < eventsKept) this.events.push(event);
  }
}

function readUpdate(payload: DataView): Rectangle & { scanoutId: number } {
  return {
    scanoutId: payload.getUint32(Update.scanoutId, true),
    x: payload.getUint32(Update.x, true),
    y: payload.getUint32(Update.y, true),
    width: payload.getUint32(Update.width, true),
    height: payload.getUint32(Update.height, true),
  };
}

const described = (scanoutId: number, { x, y, width, height }: Rectangle): string =>
  `${scanoutId}: ${width}x${height}+${x}+${y}`;
