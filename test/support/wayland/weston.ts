// A real compositor, and pictures of its screen.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bound } from "../../../lab/bound-child.ts";
import { SystemError } from "../../../src/transport/os/errors.ts";
import { NoPicture, type Picture, Shooter } from "./shooter.ts";

const timeoutMs = 20_000;
const name = "weston-test";
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
      bound([
        ...["weston", `--backend=${hasSeat ? "x11" : "headless"}-backend.so`, `--shell=${shell}-shell.so`],
        ...[`--socket=${name}`, `--width=${width}`, `--height=${height}`, "--use-pixman", "--no-config"],
        // Pictures of the screen are for debugging only.
        ...["--debug", "--idle-time=0", `--log=${join(this.directory, "log")}`],
      ]),
      {
        env: { ...process.env, XDG_RUNTIME_DIR: this.directory, DISPLAY: this.display },
        stdio: ["ignore", "ignore", "ignore"],
      },
    );
    const { weston } = this;
    const started = (): boolean => {
      if (weston.exitCode !== null)
        throw new Error(`Weston ended with code ${weston.exitCode}\n${this.log()}`);
      return existsSync(this.path) && this.canShoot();
    };
    await this.until(started, "Weston to start");
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
      if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}\n${this.log()}`);
      await Bun.sleep(30);
    }
  }

  private log(): string {
    const log = join(this.directory, "log");
    return existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : "no log";
  }

  /** Whether it lets clients connect, and its screen is there. */
  private canShoot(): boolean {
    try {
      this.screenshot();
      return true;
    } catch (error) {
      if (!(error instanceof NoPicture) && !(error instanceof SystemError)) throw error;
      return false;
    }
  }

  private async startX(): Promise<void> {
    const said = join(this.directory, "display");
    const { width, height } = this.options;
    const screen = `${width + border}x${height + border}x24`;
    this.xServer = Bun.spawn(
      bound(["sh", "-c", `exec Xvfb -displayfd 3 -screen 0 ${screen} -nolisten tcp 3>"${said}"`]),
      {
        stdio: ["ignore", "ignore", "ignore"],
      },
    );
    const displayOf = (): string => (existsSync(said) ? readFileSync(said, "utf8").trim() : "");
    await this.until(() => displayOf() !== "", "the X server");
    this.display = `:${displayOf()}`;
  }
}
