// A command line in a terminal of its own, as a person has it: a Ctrl-C there is for every process in the foreground.

import { join } from "node:path";
import { bound } from "../../lab/bound-child.ts";

const root = join(import.meta.dir, "../..");
const ctrlC = "\x03";

export class Terminal {
  private readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  private readonly allRead: Promise<void>;
  private text = "";

  /** Runs `command` in the checkout. Words have no spaces. */
  constructor(command: string, env: Record<string, string> = {}) {
    // script(1) has $SHELL run it, or sh, and a dash that waits for a child takes the Ctrl-C for itself as well.
    const line = `exec ${command}`;
    this.child = Bun.spawn(bound(["script", "--quiet", "--return", "--command", line, "/dev/null"]), {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.allRead = this.read();
  }

  /** Resolves when the terminal shows `text`; throws with all that it shows when the command ends before. */
  async until(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(JSON.stringify(await this.ended()));
      await Bun.sleep(5);
    }
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
    await this.allRead;
    return { code, text: this.text.replaceAll("\r\n", "\n") };
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.child.stdout) this.text += decoder.decode(bytes, { stream: true });
  }
}
