// A real server whose system calls a test can have fail, and whose wall clock it can move.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeSync, openSync } from "node:fs";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { driverPatienceMs } from "../patience.ts";
import { type Armed, armedAt, faultBytes, FaultWord } from "./words.ts";

/** A call that makes a descriptor or maps memory, by who wants it. */
export interface Point {
  actor: string;
  point: string;
}

export class FaultyServer {
  private readonly folder = mkdtempSync(join(tmpdir(), "fencepost-faults-"));
  private readonly path = join(this.folder, "words");
  private readonly memory: NativeMemory;
  private readonly words: Int32Array;
  private own: ServerProcess | null = null;

  constructor() {
    writeFileSync(this.path, new Uint8Array(faultBytes));
    const fd = openSync(this.path, "r+");
    this.memory = NativeMemory.mapShared(fd, 0, faultBytes, "write");
    closeSync(fd);
    this.words = new Int32Array(this.memory.view(0, armedAt));
    this.order({});
  }

  /** Starts one, and waits until it is up or has ended. */
  async start(args: readonly string[]): Promise<ServerProcess> {
    const own = await ServerProcess.start({
      // Each actor as a thread: a process would begin without the door.
      args: ["--vulkan", "off", "--isolation", "thread", ...args],
      command: [process.execPath, join(import.meta.dir, "server.ts")],
      env: { FAULTS: this.path },
    });
    this.own = own;
    const deadline = performance.now() + driverPatienceMs;
    while (!own.log().includes(" listens on ") && own.exitCode === null) {
      if (performance.now() > deadline) throw new Error(`it does not come up:\n${own.log()}`);
      await Bun.sleep(2);
    }
    return own;
  }

  get server(): ServerProcess {
    return this.own!;
  }

  /** Points that were passed so far, each once. */
  get points(): Point[] {
    const path = `${this.path}.points`;
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
    return [...new Set(lines)].map((line) => {
      const [actor, point] = JSON.parse(line) as [string, string];
      return { actor, point };
    });
  }

  /** Has the next `times` calls at a point fail. */
  fail({ actor, point }: Point, errno: number, times = 1): void {
    this.words[FaultWord.failed] = 0;
    Atomics.store(this.words, FaultWord.left, times);
    this.order({ fail: { actor, point, errno } });
  }

  /** How often a call has failed since {@link fail}. */
  get failed(): number {
    return Atomics.load(this.words, FaultWord.failed);
  }

  /** Moves the wall clock of every actor. */
  setClock(clockMs: number): void {
    this.order({ clockMs });
  }

  /** Nothing is armed any more. */
  release(): void {
    this.order({});
  }

  async stop(): Promise<number> {
    this.release();
    const code = (await this.own?.stop()) ?? 0;
    this.memory.unmap();
    rmSync(this.folder, { recursive: true });
    return code;
  }

  private order(armed: Armed): void {
    const bytes = new TextEncoder().encode(JSON.stringify(armed));
    const text = new Uint8Array(this.memory.view(armedAt));
    text.fill(0);
    text.set(bytes);
    Atomics.add(this.words, FaultWord.generation, 1);
  }
}
