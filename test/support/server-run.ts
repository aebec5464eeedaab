// The server as a user starts it: any directory, any descriptors, and what it said when it ended.

import { bound } from "../../lab/bound-child.ts";
import { existsSync } from "node:fs";
import { commandOf } from "./programs.ts";

export interface RunOptions {
  command?: readonly string[];
  cwd?: string;
  env?: Record<string, string | undefined>;
  /** A descriptor of this process that the server has as fd 3. */
  fd3?: number;
  /** A descriptor for its log, of which nothing is kept then. */
  stderr?: number;
}

export class ServerRun {
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe" | number>;
  private readonly outputs: Promise<string>[];
  /** What it has printed so far. */
  private printed = "";
  private readonly up = Promise.withResolvers<void>();

  constructor(args: readonly string[], options: RunOptions = {}) {
    const { command = commandOf("serve"), cwd, env, fd3, stderr } = options;
    this.child = Bun.spawn(bound([...command, ...args]), {
      cwd: cwd ?? process.cwd(),
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", stderr ?? "pipe", ...(fd3 === undefined ? [] : [fd3])],
    }) as Bun.Subprocess<"ignore", "pipe", "pipe" | number>;
    const text = this.child.stderr;
    this.outputs = [
      this.readOutput(),
      typeof text === "number" || text === undefined ? Promise.resolve("") : new Response(text).text(),
    ];
  }

  get pid(): number {
    return this.child.pid;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when it says that it serves; throws with what it said when it ends before. */
  async untilUp(): Promise<void> {
    await Promise.race([this.up.promise, this.child.exited]);
    if (this.hasEnded) throw new Error(JSON.stringify(await this.ended()));
  }

  /** Resolves when there is a file at `path`; throws with what the server said when it ends before. */
  async until(path: string): Promise<void> {
    while (!existsSync(path)) {
      if (this.hasEnded) throw new Error(JSON.stringify(await this.ended()));
      await Bun.sleep(5);
    }
  }

  /** Its exit code and everything it printed; killed when it does not end within `ms`, which is code 137. */
  async ended(ms = 20_000): Promise<{ code: number; text: string }> {
    const killer = setTimeout(() => this.child.kill("SIGKILL"), ms);
    const code = await this.child.exited;
    clearTimeout(killer);
    return { code, text: (await Promise.all(this.outputs)).join("") };
  }

  private async readOutput(): Promise<string> {
    for await (const text of this.child.stdout.pipeThrough(new TextDecoderStream())) {
      this.printed += text;
      if (/^Fencepost .* (listens|serves)/m.test(this.printed)) this.up.resolve();
    }
    return this.printed;
  }
}
