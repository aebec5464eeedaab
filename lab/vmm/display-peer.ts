// The VMM's end of the vhost-user-gpu display socket: answers what the back-end asks and keeps what it shows.

import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { DisplayRequest, ProtocolFeature } from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { scanoutsMax } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";
import * as answers from "./display-answers.ts";
import { type DisplayPeerOptions, withDefaults } from "./display-options.ts";
import {
  decodeCursorImage,
  decodeCursorPosition,
  decodeDmabuf,
  decodeScanout,
  decodeUpdate,
  type DisplayEvent,
} from "./display-requests.ts";
import { type CursorState, DisplayScanout, type Framebuffer, type LentDmabuf } from "./display-scanout.ts";
import { DisplayStream, type PixelTarget } from "./display-stream.ts";
import type { Pump } from "../driver/pump.ts";

const eventsKept = 10_000;
const pixelBytes = 4;

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
  readonly stream: DisplayStream;
  /** Scanouts whose DMABUF_UPDATE is unanswered, the oldest first. */
  private readonly unanswered: number[] = [];
  private staging: NativeMemory | null = null;
  private update: (Rectangle & { scanoutId: number; target: "picture" | "staging" | "nowhere" }) | null =
    null;

  constructor(fd: number, pump: Pump, options: DisplayPeerOptions = {}) {
    this.options = withDefaults(options);
    this.stream = new DisplayStream(fd, pump, {
      began: (request) => this.messages.set(request, this.count(request) + 1),
      message: (request, payload, messageFd, bytes) => this.handle(request, payload, messageFd, bytes),
      pixels: () => this.pixelsDone(),
      checksFlags: this.options.checksFlags,
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
    const { scanoutId, width, height } = decodeScanout(payload);
    this.record({ kind: "scanout", scanoutId, width, height });
    this.find(scanoutId, "SCANOUT")?.setPicture(width, height);
  }

  private setDmabuf(request: number, payload: DataView, fd: number): void {
    const { scanoutId, ...dmabuf } = decodeDmabuf(request, payload);
    const { view, width, height } = dmabuf;
    this.record({ kind: "dmabuf-scanout", scanoutId, width: view.width, height: view.height });
    const isSecond = request === DisplayRequest.DMABUF_SCANOUT2;
    const name = isSecond ? "DMABUF_SCANOUT2" : "DMABUF_SCANOUT";
    const scanout = this.find(scanoutId, name);
    if (isSecond && !this.offers(ProtocolFeature.DMABUF2)) {
      this.violations.push("DMABUF_SCANOUT2 was sent to a VMM without DMABUF2");
    }
    if ((view.width === 0 || view.height === 0) !== fd < 0) {
      this.violations.push(`${name} of ${view.width}x${view.height} with descriptor ${fd}`);
    } else if (view.x + view.width > width || view.y + view.height > height) {
      this.violations.push(`${name} shows more than its ${width}x${height} pixels`);
    }
    if (fd >= 0 && scanout !== null) return scanout.setDmabuf({ fd, ...dmabuf });
    closeFd(fd);
    scanout?.setDmabuf(null);
  }

  private updateDmabuf(payload: DataView): void {
    const { scanoutId, ...rect } = decodeUpdate(payload);
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
    this.options.drawn(scanoutId, rect);
    if (this.options.answersUpdates) this.answerUpdate();
  }

  private startUpdate(payload: DataView, bytes: number): PixelTarget | undefined {
    const { scanoutId, ...rect } = decodeUpdate(payload);
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
    this.options.drawn(scanoutId, rect);
  }

  private stagingOf(bytes: number): number {
    if (this.staging === null || this.staging.length < bytes) {
      this.staging?.unmap();
      this.staging = NativeMemory.allocate(bytes);
    }
    return this.staging.address;
  }

  private moveCursor(request: number, payload: DataView): void {
    const { scanoutId, x, y } = decodeCursorPosition(payload);
    const scanout = this.find(scanoutId, "a cursor");
    if (scanout === null) return;
    if (request === DisplayRequest.CURSOR_UPDATE) {
      const { hotX, hotY, image } = decodeCursorImage(payload);
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

const described = (id: number, { x, y, width, height }: Rectangle) => `${id}: ${width}x${height}+${x}+${y}`;
