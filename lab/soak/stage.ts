// Where phases play: a guest in front of the server, its screen, and what must be seen of it at any time.

import { join } from "node:path";
import type { CommandResult } from "../driver/command-queue.ts";
import { areaOf, type Image } from "../driver/gpu-driver.ts";
import type { GuestBuffer } from "../driver/guest-memory.ts";
import { DeviceTimeout } from "../driver/pump.ts";
import { SyntheticGuest } from "../driver/synthetic-guest.ts";
import { type Chance, pick } from "../fuzz/chance.ts";
import { firstDifference } from "../fuzz/sane-guest.ts";
import type { ServerProcess } from "../vmm/server-process.ts";
import { Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { Obituary } from "./obituary.ts";

/** Something was not as it must be. */
export class Wrong extends Error {
  override name = "Wrong";
}

export const screenSize = { width: 512, height: 384 };
export const screenId = 0x5c_0000;
/** How long the server may take for anything: the machine may be busy, and a child may have to come back. */
const patienceMs = 60_000;
const pollMs = 2;

const { EDID, VIRGL, RESOURCE_BLOB, RESOURCE_UUID } = Feature;
const names = new Map<number, string>(Object.entries(Response).map(([name, value]) => [value, name]));
const nameOf = (type: number): string => names.get(type) ?? `0x${type.toString(16)}`;

export class Stage {
  readonly obituary: Obituary;
  guest!: SyntheticGuest;
  screen!: Image;
  /** Frames of which every pixel was seen as it must be. */
  frames = 0;
  /** Ids and names that are used once. */
  private next = 1000;
  private commandsBefore = 0;
  private readonly buffers = new Map<string, GuestBuffer>();

  constructor(
    readonly server: ServerProcess,
    readonly chance: Chance,
  ) {
    this.obituary = new Obituary(join(server.directory, "server.log"));
  }

  /** Commands that were answered to guests of the stage's own. */
  get commands(): number {
    return (
      this.commandsBefore + (this.guest?.queues?.reduce((sum, { submitted }) => sum + submitted, 0) ?? 0)
    );
  }

  /** Whether the guest is offered 3D. */
  get has3d(): boolean {
    return (this.guest.offered & (1n << BigInt(VIRGL))) !== 0n;
  }

  get unused(): number {
    return this.next++;
  }

  /** A front-end connects, and its guest shows its screen. */
  enter(): void {
    this.guest = SyntheticGuest.boot(this.server.socketPath, {
      patienceMs,
      gpuFeatures: [EDID, VIRGL, RESOURCE_BLOB, RESOURCE_UUID],
    });
    this.buffers.clear();
    this.begin();
  }

  /** The front-end hangs up. */
  leave(): void {
    const { commands, guest } = this;
    const seen = guest.display?.violations[0];
    guest.close();
    for (const queue of guest.queues) queue.submitted = 0;
    this.commandsBefore = commands;
    if (seen !== undefined) throw new Wrong(`the display was sent what it must not be: ${seen}`);
  }

  /** What a driver does that starts from nothing: it makes its screen, and shows it. */
  begin(): void {
    const { gpu } = this.guest;
    const { width, height } = screenSize;
    const backing = this.buffer("screen", width * height * 4);
    this.screen = {
      resourceId: screenId,
      format: Format.B8G8R8X8,
      ...screenSize,
      backing,
      pixels: backing.words,
    };
    this.ok(gpu.createResource2d(screenId, this.screen.format, width, height), "RESOURCE_CREATE_2D");
    this.ok(gpu.attachBacking(screenId, [backing]), "RESOURCE_ATTACH_BACKING");
    scribble(this.screen.pixels, this.chance);
    gpu.show(0, this.screen);
    this.expectScreen();
  }

  /** Guest memory that is used again by whoever asks for the same name: a guest's RAM is not given back. */
  buffer(name: string, bytes: number): GuestBuffer {
    const kept = this.buffers.get(name) ?? this.guest.memory.allocate(bytes);
    this.buffers.set(name, kept);
    return kept;
  }

  /** The screen shows what was drawn on it, to the pixel. */
  expectScreen(what = "the screen"): void {
    this.expectShown(this.screen.pixels, screenSize.width, what);
  }

  /** Scanout 0 comes to show `expected`, row by row: all pixels are looked at. Throws {@link Wrong}. */
  expectShown(expected: Uint32Array, width: number, what: string, timeoutMs?: number): void {
    const { display, pump } = this.guest;
    const difference = (): number => {
      const shown = display!.framebuffer(0);
      return shown?.width === width ? firstDifference(shown.pixels, expected) : 0;
    };
    try {
      pump.until(() => difference() === expected.length, what, timeoutMs);
    } catch (error) {
      if (!(error instanceof DeviceTimeout)) throw error;
      const at = difference();
      const shown = display!.framebuffer(0)?.pixels[at];
      throw new Wrong(
        `${what}: pixel ${at % width},${Math.floor(at / width)} is ${hex(shown)} and not ${hex(expected[at])}`,
        { cause: error },
      );
    }
    this.frames++;
  }

  /** Shows the screen again after something else was there. */
  showScreen(): void {
    this.ok(this.guest.gpu.setScanout(0, screenId, areaOf(screenSize)), "SET_SCANOUT");
    this.expectScreen("the screen, shown again");
  }

  /** A command was answered with one of `types`, in a whole header. Throws {@link Wrong}. */
  answered({ type, length }: CommandResult, what: string, ...types: readonly number[]): void {
    if (types.includes(type) && length === 24) return;
    const wanted = types.map(nameOf).join(" or ");
    throw new Wrong(`${what} was answered ${nameOf(type)} in ${length} bytes, and not ${wanted}`);
  }

  ok(result: CommandResult, what: string): void {
    this.answered(result, what, Response.OK_NODATA);
  }

  /** Waits for what is not told to the guest. Throws {@link Wrong}. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    for (const deadline = performance.now() + patienceMs; !isSo();) {
      if (performance.now() > deadline || this.server.exitCode !== null)
        throw new Wrong(`not so in time: ${what}`);
      // The display is a peer that the server may wait for.
      this.guest.pump.serve(pollMs);
      await Bun.sleep(pollMs);
    }
  }

  /** Nobody who has died is missing. */
  untilAllAreBack(): Promise<void> {
    return this.until("whoever has died is there again", () => this.obituary.missing.length === 0);
  }

  /** Sends a command to the control socket, which must do it. */
  async control(command: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answer = await this.server.control(command, patienceMs);
    if (!answer.ok) throw new Wrong(`${JSON.stringify(command)} was refused: ${answer.error}`);
    return answer;
  }

  /** Changes a rectangle of the screen by chance, and brings it to the display. */
  animate(): void {
    const { chance, screen, guest } = this;
    const [x, y] = [chance(screenSize.width), chance(screenSize.height)];
    const area = { x, y, width: 1 + chance(screenSize.width - x), height: 1 + chance(screenSize.height - y) };
    const [colour, step] = [chance(2 ** 24), pick(chance, [0, 1, 257, 65_793])];
    for (let row = y; row < y + area.height; row++)
      for (let at = row * screenSize.width + x, left = area.width; left > 0; left--, at++)
        screen.pixels[at] = (colour + step * at) & 0xff_ffff;
    guest.gpu.present(screen, area);
  }

  close(): void {
    this.guest?.close();
    this.obituary.close();
  }
}

export function scribble(pixels: Uint32Array, chance: Chance): void {
  const [from, step] = [chance(2 ** 31), 1 + chance(2 ** 20)];
  for (let at = 0; at < pixels.length; at++) pixels[at] = from + Math.imul(at, step);
}

const hex = (pixel: number | undefined): string =>
  pixel === undefined ? "not there" : (pixel & 0xff_ffff).toString(16).padStart(6, "0");
