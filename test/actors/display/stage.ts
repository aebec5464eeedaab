// A display with a VMM at the other end of a real socket, and surfaces to show.

import type { Rect } from "../../../src/picture/damage.ts";
import type { DisplayMessage } from "../../../src/actors/display/messages.ts";
import type { DisplayPeerOptions } from "../../../lab/vmm/display-options.ts";
import { DisplayPeer } from "../../../lab/vmm/display-peer.ts";
import { DeviceTimeout, Pump } from "../../../lab/driver/pump.ts";
import { Fourcc } from "../../../src/picture/drm-formats.ts";
import { closeFd, createMemfd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { DisplayRunner } from "./display-runner.ts";
import { FakeContext } from "../../support/fake-context.ts";

type DmabufMessage = Extract<DisplayMessage, { type: "add-dmabuf-surface" }>;

/** A resource's storage as the ctrl queue holds it. */
export class TestSurface {
  readonly fd: number;
  readonly memory: NativeMemory;
  readonly bytes: Uint8Array;
  readonly stride: number;

  constructor(
    readonly id: number,
    readonly width: number,
    readonly height: number,
    readonly format: number = Format.B8G8R8X8,
    padding = 0,
    readonly offset = 0,
  ) {
    this.stride = width * 4 + padding;
    const length = this.stride * height;
    this.fd = createMemfd("test", offset + length);
    this.memory = NativeMemory.mapShared(this.fd, offset, length, "write");
    this.bytes = new Uint8Array(this.memory.view());
  }

  /** The message that announces it, with a descriptor for the display to close. */
  get message() {
    return this.messageWith(duplicateFd(this.fd));
  }

  messageWith(fd: number) {
    const { id, offset, stride, width, height, format, memory } = this;
    const bytes = memory.length;
    return { type: "add-surface" as const, surface: id, fd, offset, bytes, stride, width, height, format };
  }

  /** The same storage as a dma-buf, whose place shared memory takes: it is passed on and mapped in the same way. */
  dmabuf(changes: Partial<DmabufMessage> = {}): DmabufMessage {
    const { id, offset, stride, width, height } = this;
    const kind = { fourcc: Fourcc.XRGB8888, modifierHigh: 0, modifierLow: 0, flags: 0 };
    const type = "add-dmabuf-surface";
    return {
      type,
      surface: id,
      fd: changes.fd ?? duplicateFd(this.fd),
      offset,
      stride,
      width,
      height,
      ...kind,
      ...changes,
    };
  }

  /** Writes 0xRRGGBB in the surface's own format, with rubbish in the byte that is no colour. */
  set(x: number, y: number, colour: number): void {
    const layout = layouts[this.format]!;
    const channels = { R: colour >> 16, G: colour >> 8, B: colour, X: 0x5a };
    [...layout].forEach((letter, index) => {
      this.bytes[y * this.stride + x * 4 + index] = channels[letter as "R"] & 0xff;
    });
  }

  paint(colourOf: (x: number, y: number) => number): this {
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) this.set(x, y, colourOf(x, y));
    }
    return this;
  }

  free(): void {
    this.memory.unmap();
    closeFd(this.fd);
  }
}

/** The bytes of a pixel by format, written out anew. */
const layouts: Record<number, string> = {
  1: "BGRX",
  2: "BGRX",
  3: "XRGB",
  4: "XRGB",
  67: "RGBX",
  68: "XBGR",
  121: "XBGR",
  134: "RGBX",
};

/** A colour that tells every pixel of a small surface from every other. */
export const gradient = (x: number, y: number): number => ((x * 7) << 16) | ((y * 5) << 8) | ((x ^ y) & 0xff);

/** Sockets that a display was given, above all numbers of descriptors. */
let sockets = 100_000;

export class Stage {
  /** The number of the socket that it was given last. */
  socket = 0;
  readonly runner: DisplayRunner;
  readonly peers: DisplayPeer[] = [];
  readonly surfaces: TestSurface[] = [];

  constructor(
    context = new FakeContext("display"),
    readonly pump = new Pump(),
  ) {
    this.runner = new DisplayRunner(context);
  }

  get peer(): DisplayPeer {
    return this.peers.at(-1)!;
  }

  /** Gives the display a socket, and a VMM at its other end. */
  connect(options: DisplayPeerOptions = {}): DisplayPeer {
    const [ours, theirs] = socketPair("stream");
    this.peers.push(new DisplayPeer(theirs, this.pump, options));
    this.socket = ++sockets;
    this.runner.tell({ type: "take-vmm-socket", fd: ours, socket: this.socket });
    return this.peer;
  }

  surface(...args: ConstructorParameters<typeof TestSurface>): TestSurface {
    const surface = new TestSurface(...args);
    this.surfaces.push(surface);
    return surface;
  }

  /** Announces a surface and shows all of it. */
  show(surface: TestSurface, scanout = 0): void {
    const { width, height } = surface;
    this.showPart(surface, { x: 0, y: 0, width, height }, scanout);
  }

  showPart(surface: TestSurface, rect: Rect, scanout = 0): void {
    this.runner.tell(surface.message, { type: "show-scanout", scanout, surface: surface.id, ...rect });
  }

  /** Announces a surface as a dma-buf and shows all of it. */
  showDmabuf(surface: TestSurface, scanout = 0, changes: Parameters<TestSurface["dmabuf"]>[0] = {}): void {
    const { id, width, height } = surface;
    this.runner.tell(surface.dmabuf(changes), {
      type: "show-scanout",
      scanout,
      surface: id,
      x: 0,
      y: 0,
      width,
      height,
    });
  }

  off(scanout = 0): void {
    this.runner.tell({ type: "hide-scanout", scanout });
  }

  drop(surface: TestSurface): void {
    this.runner.tell({ type: "drop-surface", surface: surface.id });
  }

  flush(rect: Rect, scanout = 0): void {
    this.runner.tell({ type: "flush", scanout, ...rect });
  }

  /** Runs the display and the VMM in turns until nothing is left to do. */
  settle(): void {
    let bytes = -1;
    while (bytes !== this.peer.bytes) {
      bytes = this.peer.bytes;
      this.runner.run();
      this.pump.drain();
      this.runner.run();
    }
  }

  /** Runs both until `happened`. */
  until(happened: () => boolean, what: string, timeoutMs = 3000): void {
    const deadline = performance.now() + timeoutMs;
    while (!happened()) {
      if (performance.now() > deadline) throw new DeviceTimeout(`${what}: nothing after ${timeoutMs} ms`);
      this.runner.run();
      this.pump.epoll.wait(1);
    }
  }

  stop(): void {
    this.runner.stop();
    this.free();
  }

  /** Lets go of all but the display, which has stopped. */
  free(): void {
    for (const peer of this.peers) peer.free();
    for (const surface of this.surfaces) surface.free();
    this.pump.close();
  }
}
