// A client of Weston's that takes a picture of its screen: by weston_screenshooter (Weston 10 and 11), or by
// weston_capture_v1 (from Weston 12 on).

import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { connectUnix } from "../../../src/transport/os/unix-path.ts";
import { SocketIo } from "../../../src/transport/os/unix-socket.ts";
import { WaylandConnection } from "../../../src/transport/wire/wayland/connection.ts";
import { type Interface, parseMessages } from "../../../src/transport/wire/wayland/descriptions.ts";
import { WaylandObject } from "../../../src/transport/wire/wayland/object.ts";
import { type WlBuffer, WlOutput, WlShm } from "../../../src/transport/wire/wayland/protocol.ts";

const timeoutMs = 5_000;
const shmXrgb8888 = 1;

export interface Picture {
  width: number;
  height: number;
  /** 0x00RRGGBB, row by row. */
  pixels: Uint32Array;
}

/** Weston could not take one, now. */
export class NoPicture extends Error {}

class WestonScreenshooter extends WaylandObject<{ done(): void }> {
  static readonly interface: Interface = {
    name: "weston_screenshooter",
    version: 1,
    requests: parseMessages(["take_shot o=wl_output o=wl_buffer"]),
    events: parseMessages(["done"]),
  };

  takeShot(output: WlOutput, buffer: WlBuffer): void {
    this.request(0, [output, buffer]);
  }
}

class WestonCapture extends WaylandObject {
  static readonly interface: Interface = {
    name: "weston_capture_v1",
    version: 1,
    requests: parseMessages(["destroy", "create o=wl_output u n=weston_capture_source_v1"]),
    events: [],
  };

  create(output: WlOutput, source: number): WestonCaptureSource {
    const created = this.connection.create(WestonCaptureSource, this.version);
    this.request(1, [output, source, created]);
    return created;
  }
}

/** What weston_capture_v1 can take pictures of: the output as it is shown, pointer included. */
const framebuffer = 1;

class WestonCaptureSource extends WaylandObject<{
  complete(): void;
  /** Another size or format is due, which was said before. */
  retry(): void;
  failed(reason: string): void;
}> {
  static readonly interface: Interface = {
    name: "weston_capture_source_v1",
    version: 1,
    requests: parseMessages(["destroy", "capture o=wl_buffer"]),
    events: parseMessages(["format u", "size i i", "complete", "retry", "failed ?s"]),
  };

  capture(buffer: WlBuffer): void {
    this.request(1, [buffer]);
  }
}

/** One client that takes one picture. */
export class Shooter {
  private readonly io = new SocketIo();
  private readonly connection: WaylandConnection;
  private shm: WlShm | null = null;
  private output: WlOutput | null = null;
  private shooter: WestonScreenshooter | null = null;
  private capture: WestonCapture | null = null;
  private size = { width: 0, height: 0 };

  /** Throws SystemError where nobody listens at `path`. */
  constructor(path: string) {
    this.connection = new WaylandConnection(this.io, connectUnix(path, "stream", false));
    const registry = this.connection.display.getRegistry();
    registry.listener = {
      global: (global, name) => {
        if (name === "wl_shm") this.shm = registry.bind(global, WlShm, 1);
        else if (name === "weston_screenshooter")
          this.shooter = registry.bind(global, WestonScreenshooter, 1);
        else if (name === "weston_capture_v1") this.capture = registry.bind(global, WestonCapture, 1);
        else if (name === "wl_output") {
          this.output = registry.bind(global, WlOutput, 2);
          this.output.listener = { mode: (_, width, height) => (this.size = { width, height }) };
        }
      },
    };
  }

  /** Throws {@link NoPicture}, and SystemError. */
  shoot(): Picture {
    let isReady = false;
    const sync = (done: () => void): void => void (this.connection.display.sync().listener = { done });
    sync(() => sync(() => (isReady = true)));
    this.serveUntil(() => isReady && this.size.width > 0);
    const { width, height } = this.size;
    const bytes = width * height * 4;
    const fd = createMemfd("screenshot", bytes);
    const memory = NativeMemory.mapShared(fd, 0, bytes, "read");
    const pool = this.shm!.createPool(fd, bytes);
    try {
      this.take(pool.createBuffer(0, width, height, width * 4, shmXrgb8888));
      return { width, height, pixels: new Uint32Array(memory.view()).map((pixel) => pixel & 0xffffff) };
    } finally {
      memory.unmap();
      closeFd(fd);
    }
  }

  close(): void {
    this.connection.close();
    this.io.close();
  }

  private take(buffer: WlBuffer): void {
    const { shooter, capture, output } = this;
    let isDone = false;
    if (shooter !== null) {
      shooter.listener = { done: () => (isDone = true) };
      shooter.takeShot(output!, buffer);
    } else if (capture !== null) {
      const fail = (reason: string): never => {
        throw new NoPicture(`Weston takes no picture of its screen: ${reason}`);
      };
      const source = capture.create(output!, framebuffer);
      source.listener = {
        complete: () => (isDone = true),
        retry: () => fail("its screen has changed"),
        failed: fail,
      };
      source.capture(buffer);
    } else throw new NoPicture("Weston has no protocol for pictures of its screen that is known here");
    this.serveUntil(() => isDone);
  }

  private serveUntil(happened: () => boolean): void {
    const deadline = performance.now() + timeoutMs;
    while (!happened()) {
      if (performance.now() > deadline) throw new NoPicture(`Weston did nothing for ${timeoutMs} ms`);
      this.connection.flush();
      if (this.connection.receive() === "closed") throw new NoPicture("Weston hung up");
      if (!happened()) Bun.sleepSync(1);
    }
  }
}
