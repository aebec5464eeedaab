// A command in a shell of its own, whose whole job is interrupted, as a terminal does it.

import { bound } from "../../../lab/bound-child.ts";

/** Long enough for a guest to boot on a busy machine: only what hangs takes it. */
const endMs = 90_000;

export class Job {
  text = "";
  private readonly child: Bun.Subprocess<"ignore" | Blob, "pipe", "pipe">;
  private readonly read: Promise<unknown>;

  constructor(
    readonly command: string,
    cwd: string,
    env: Record<string, string>,
    input: string | null = null,
  ) {
    this.child = Bun.spawn(bound(["bash", "-o", "pipefail", "-c", command]), {
      cwd,
      env,
      detached: true,
      stdio: [input === null ? "ignore" : new Blob([input]), "pipe", "pipe"],
    });
    const take = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.text += text;
    };
    this.read = Promise.all([take(this.child.stdout), take(this.child.stderr)]);
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits until `holds` of all that it has said; throws with that where it ends, or too much time goes by, before. */
  async until(holds: (text: string) => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + endMs;
    while (!(await holds(this.text))) {
      if (this.hasEnded || performance.now() > deadline) throw this.failure();
      await Bun.sleep(10);
    }
  }

  interrupt(signal: NodeJS.Signals = "SIGINT"): void {
    if (!this.hasEnded) process.kill(-this.child.pid, signal);
  }

  /** Its exit code; one that does not end is killed. */
  async ended(): Promise<number> {
    const killer = setTimeout(() => this.interrupt("SIGKILL"), endMs);
    const code = await this.child.exited;
    clearTimeout(killer);
    await this.read;
    return code;
  }

  failure(): Error {
    return new Error(`${this.command}\ncode ${this.child.exitCode}, and said:\n${this.text}`);
  }
}
