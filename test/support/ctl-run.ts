// A `ctl` that runs, and what it has printed so far.

import { bound } from "../../lab/bound-child.ts";
import { commandOf } from "./programs.ts";

export class CtlRun {
  out = "";
  said = "";
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  private readonly read: Promise<unknown>;

  constructor(args: readonly string[], controlPath: string, env: Record<string, string> = {}) {
    this.child = Bun.spawn(bound([...commandOf("ctl"), "--control-path", controlPath, ...args]), {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.child;
    this.read = Promise.all([
      this.take(stdout, (text) => (this.out += text)),
      this.take(stderr, (text) => (this.said += text)),
    ]);
  }

  interrupt(): void {
    this.child.kill("SIGINT");
  }

  async ended(): Promise<number> {
    const code = await this.child.exited;
    await this.read;
    return code;
  }

  /** Waits until it has printed what `holds` wants; `again` is done meanwhile. */
  async until(holds: (run: this) => boolean, again: () => unknown = () => {}): Promise<void> {
    for (let attempt = 0; attempt < 400 && !holds(this); attempt++) {
      again();
      await Bun.sleep(25);
    }
    if (!holds(this)) throw new Error(`${this.out}\n${this.said}`);
  }

  private async take(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
  }
}
