// A real compositor, and pictures of its screen.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { connectUnix } from "../../../src/transport/os/unix-path.ts";
import { SocketIo } from "../../../src/transport/os/unix-socket.ts";
import { WaylandConnection } from "../../../src/transport/wire/wayland/connection.ts";
import { type Interface, parseMessages } from "../../../src/transport/wire/wayland/descriptions.ts";
import { WaylandObject } from "../../../src/transport/wire/wayland/object.ts";
import { type WlBuffer, WlOutput, WlShm } from "../../../src/transport/wire/wayland/protocol.ts";

const timeoutMs = 20_000;
const name = "weston-test";
const shmXrgb8888 = 1;
/** What the X server's screen has besides Weston's window, in pixels. */
const border = 40;

export interface WestonOptions {
  width: number;
  height: number;
  /** "kiosk": every window fills the screen, where there is a seat to activate it. */
  shell?: "desktop" | "kiosk";
  /** Runs on an X server instead of headless, and so has a seat with the pointer that {@link Weston.pointer} moves. */
  hasSeat?: boolean;
}

export interface Picture {
  width: number;
  height: number;
  /** 0x00RRGGBB, row by row. */
  pixels: Uint32Array;
}

export class Weston {
  readonly directory = mkdtempSync(join(tmpdir(), "fencepost-weston-"));
  readonly path = join(this.directory, name);
  private weston: Bun.Subprocess | null = null;
  private xServer: Bun.Subprocess | null = null;
  private display = "";

  constructor(private readonly options: WestonOptions) {}

  async start(): Promise<void> {
    const { width, height, shell = "desktop", hasSeat = false } = this.options;
    if (hasSeat && this.xServer === null) await this.startX();
    this.weston = Bun.spawn(
      [
        ...["weston", `--backend=${hasSeat ? "x11" : "headless"}-backend.so`, `--shell=${shell}-shell.so`],
        ...[`--socket=${name}`, `--width=${width}`, `--height=${height}`, "--use-pixman", "--no-config"],
        // The screenshooter's protocol is for debugging only.
        ...["--debug", "--idle-time=0", `--log=${join(this.directory, "log")}`],
      ],
      {
        env: { ...process.env, XDG_RUNTIME_DIR: this.directory, DISPLAY: this.display },
        stdio: ["ignore", "ignore", "ignore"],
      },
    );
    await this.until(() => existsSync(this.path) && this.canShoot(), "Weston to start");
    // It may have missed that it began below the pointer, and sees it enter later.
    if (!hasSeat) return;
    const [, window] = /window:(\d+)/.exec(this.pointer("mousemove", 10, 10, "getmouselocation"))!;
    this.pointer("windowfocus", window!);
    this.pointer("mousemove", width + border / 2, height + border / 2);
  }

  /** Ends it without a chance to say goodbye. */
  async kill(): Promise<void> {
    this.weston?.kill("SIGKILL");
    await this.weston?.exited;
    this.weston = null;
    rmSync(this.path, { force: true });
    rmSync(`${this.path}.lock`, { force: true });
  }

  /** Lets it do nothing more, its sockets staying open, until it is thawed. */
  freeze(): void {
    this.weston!.kill("SIGSTOP");
  }

  thaw(): void {
    this.weston!.kill("SIGCONT");
  }

  async end(): Promise<void> {
    await this.kill();
    this.xServer?.kill("SIGKILL");
    await this.xServer?.exited;
    rmSync(this.directory, { recursive: true });
  }

  /** Does with the pointer and its buttons what xdotool is told, and answers what that says. */
  pointer(...actions: (string | number)[]): string {
    const { success, stdout, stderr } = Bun.spawnSync(["xdotool", ...actions.map(String)], {
      env: { ...process.env, DISPLAY: this.display },
    });
    if (!success) throw new Error(`xdotool: ${stderr.toString()}`);
    return stdout.toString();
  }

  /** What is on the screen, the pointer included. */
  screenshot(): Picture {
    const shooter = new Shooter(this.path);
    try {
      return shooter.shoot();
    } finally {
      shooter.close();
    }
  }

  /** Waits until the screen is as `matches` wants it. */
  async untilShown(matches: (picture: Picture) => boolean, what: string): Promise<Picture> {
    let last: Picture | null = null;
    await this.until(() => matches((last = this.screenshot())), what);
    return last!;
  }

  private async until(happened: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!happened()) {
      if (performance.now() > deadline) {
        const log = join(this.directory, "log");
        const end = existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : "no log";
        throw new Error(`waited ${timeoutMs} ms for ${what}\n${end}`);
      }
      await Bun.sleep(30);
    }
  }

  private canShoot(): boolean {
    try {
      this.screenshot();
      return true;
    } catch {
      return false;
    }
  }

  private async startX(): Promise<void> {
    const said = join(this.directory, "display");
    const { width, height } = this.options;
    const screen = `${width + border}x${height + border}x24`;
    this.xServer = Bun.spawn(
      ["sh", "-c", `exec Xvfb -displayfd 3 -screen 0 ${screen} -nolisten tcp 3>"${said}"`],
      {
        stdio: ["ignore", "ignore", "ignore"],
      },
    );
    const displayOf = (): string => (existsSync(said) ? readFileSync(said, "utf8").trim() : "");
    await this.until(() => displayOf() !== "", "the X server");
    this.display = `:${displayOf()}`;
  }
}

/** Weston's own protocol for pictures of the screen. */
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

/** One client that takes one picture. */
class Shooter {
  private readonly io = new SocketIo();
  private readonly connection: WaylandConnection;
  private shm: WlShm | null = null;
  private output: WlOutput | null = null;
  private shooter: WestonScreenshooter | null = null;
  private size = { width: 0, height: 0 };

  constructor(path: string) {
    this.connection = new WaylandConnection(this.io, connectUnix(path, "stream", false));
    const registry = this.connection.display.getRegistry();
    registry.listener = {
      global: (global, interfaceName) => {
        if (interfaceName === "wl_shm") this.shm = registry.bind(global, WlShm, 1);
        else if (interfaceName === "weston_screenshooter")
          this.shooter = registry.bind(global, WestonScreenshooter, 1);
        else if (interfaceName === "wl_output") {
          this.output = registry.bind(global, WlOutput, 2);
          this.output.listener = { mode: (_, width, height) => (this.size = { width, height }) };
        }
      },
    };
  }

  shoot(): Picture {
    let isReady = false;
    const sync = (done: () => void): void => void (this.connection.display.sync().listener = { done });
    sync(() => sync(() => (isReady = true)));
    this.serveUntil(() => isReady && this.shooter !== null && this.size.width > 0);
    const { width, height } = this.size;
    const bytes = width * height * 4;
    const fd = createMemfd("screenshot", bytes);
    const memory = NativeMemory.mapShared(fd, 0, bytes, "read");
    const pool = this.shm!.createPool(fd, bytes);
    const buffer = pool.createBuffer(0, width, height, width * 4, shmXrgb8888);
    let isDone = false;
    this.shooter!.listener = { done: () => (isDone = true) };
    this.shooter!.takeShot(this.output!, buffer);
    try {
      this.serveUntil(() => isDone);
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

  private serveUntil(happened: () => boolean): void {
    const deadline = performance.now() + 5_000;
    while (!happened()) {
      if (performance.now() > deadline) throw new Error("Weston takes no picture of its screen");
      this.connection.flush();
      if (this.connection.receive() === "closed") throw new Error("Weston hung up");
      if (!happened()) Bun.sleepSync(1);
    }
  }
}
