// A command line in a terminal of its own, as a person has it: a Ctrl-C there is for every process in the foreground.

import { join } from "node:path";
import { bound } from "../../lab/bound-child.ts";

const root = join(import.meta.dir, "../..");
const ctrlC = "\x03";

export class Terminal {
  private readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  private readonly output: Promise<string>;

  /** Runs `command` in the checkout. Words have no spaces. */
  constructor(command: string, env: Record<string, string> = {}) {
    this.child = Bun.spawn(bound(["script", "--quiet", "--return", "--command", command, "/dev/null"]), {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.output = new Response(this.child.stdout).text();
  }

  pressCtrlC(): void {
    this.child.stdin.write(ctrlC);
    void this.child.stdin.flush();
  }

  /** The command's exit code and all that the terminal shows; killed when it does not end within `ms`, which is code 137. */
  async ended(ms = 20_000): Promise<{ code: number; text: string }> {
    const killer = setTimeout(() => this.child.kill("SIGKILL"), ms);
    const code = await this.child.exited;
    clearTimeout(killer);
    return { code, text: (await this.output).replaceAll("\r\n", "\n") };
  }
}
