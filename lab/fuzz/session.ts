// One server, and a target's batches against it, each followed by a look at its health.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerProcess } from "../vmm/server-process.ts";
import { chanceOfInput } from "./chance.ts";
import { Health, type Illness } from "./health.ts";
import type { Attack, Target } from "./target.ts";

/** Inputs of a seed, by number: from `from` on, and before `to`. */
export interface Range {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** So long at most passes without a look at signals and clocks. */
const breathMs = 50;

export interface SessionOptions {
  /** Flags besides the target's. */
  readonly flags?: readonly string[];
  /** Told of inputs as they are sent; returns whether to go on. */
  readonly sent?: (inputs: number) => boolean;
}

export class Session {
  private constructor(
    readonly server: ServerProcess,
    private readonly target: Target,
    private readonly directory: string,
    private readonly health: Health,
    private readonly sent: (inputs: number) => boolean,
  ) {}

  static async start(
    target: Target,
    { flags = [], sent = () => true }: SessionOptions = {},
  ): Promise<Session> {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-fuzz-"));
    try {
      const args = [...target.flags(directory), ...flags];
      const server = await ServerProcess.start({ args });
      const health = new Health(server, target.reachesRenderer === true);
      return new Session(server, target, directory, health, sent);
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
  }

  /** Sends a batch, and looks. Returns what is wrong, or null. */
  async run(range: Range): Promise<Illness | null> {
    const failed = await this.attack(range);
    const illness = await this.health.look();
    // What the target saw of a server that has ended is only that.
    if (illness !== null && (failed === null || this.server.exitCode !== null)) return illness;
    return failed === null ? null : { what: failed, isRenderer: false };
  }

  /** What the log says of each death of the renderer so far. */
  get deaths(): readonly string[] {
    return this.health.deaths;
  }

  log(): string {
    return this.server.log();
  }

  /** Ends the server; returns what is wrong with how it ends. */
  async end(): Promise<Illness | null> {
    const hadEnded = this.server.exitCode !== null;
    const code = await this.server.stop();
    rmSync(this.directory, { recursive: true, force: true });
    return hadEnded || code === 0
      ? null
      : { isRenderer: false, what: `asked to end, it ended with code ${code}` };
  }

  /** Returns what the target has seen, or null. It goes as well as it can, whatever the server has done to it. */
  private async attack({ seed, from, to }: Range): Promise<string | null> {
    let failed: string | null = null;
    let attack: Attack;
    try {
      attack = await this.target.begin({ server: this.server, directory: this.directory });
    } catch (error) {
      // A door that does not open is a finding like any other.
      return said(error);
    }
    try {
      await this.inputs(attack, seed, from, to);
    } catch (error) {
      // Nor is what it sees there a fault of the fuzzer's.
      failed = said(error);
    }
    try {
      await attack.end();
    } catch (error) {
      // As it is in what it still owed.
      failed ??= said(error);
    }
    return failed;
  }

  private async inputs(attack: Attack, seed: number, from: number, to: number): Promise<void> {
    let [breathed, number, told] = [performance.now(), from, from];
    const tell = (): boolean => {
      const goesOn = this.sent(number - told);
      told = number;
      return goesOn;
    };
    try {
      while (number < to) {
        const waits = attack.input(chanceOfInput(seed, number++));
        if (waits !== undefined) await waits;
        if (performance.now() - breathed < breathMs) continue;
        await Bun.sleep(0);
        breathed = performance.now();
        if (!tell() || this.server.exitCode !== null) return;
      }
    } finally {
      tell();
    }
  }
}

const said = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
