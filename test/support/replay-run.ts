// `bun run replay FILE --inspect` as its users have it: a process, its page's address, and what it says on its socket.

import type { ReplayRequest, ReplayState } from "../../src/transport/wire/replay/messages.ts";
import { driverPatienceMs } from "./patience.ts";
import { commandOf } from "./programs.ts";

export class ReplayRun {
  state: ReplayState | null = null;
  private socket: WebSocket | null = null;
  private out = "";
  private waiting: (() => void)[] = [];

  private constructor(private readonly child: Bun.Subprocess<"ignore", "pipe", "inherit">) {
    void this.read();
  }

  /** Starts it, and waits until it is at rest. */
  static async start(file: string, ...args: string[]): Promise<ReplayRun> {
    const command = [...commandOf("replay"), file, "--inspect", ...args];
    const run = new ReplayRun(Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" }));
    try {
      await run.until(() => run.out.includes("stays here"));
      await run.connect();
    } catch (error) {
      await run.stop();
      throw error;
    }
    return run;
  }

  get url(): URL {
    return new URL(/replay: open (\S+)/.exec(this.out)![1]!);
  }

  get text(): string {
    return this.out;
  }

  /** Asks for something, and waits until it rests and `isThere`. */
  async go(request: ReplayRequest, isThere: (state: ReplayState) => boolean): Promise<ReplayState> {
    this.say(JSON.stringify(request));
    await this.until(() => this.state !== null && this.state.activity === "paused" && isThere(this.state));
    return this.state!;
  }

  say(text: string): void {
    this.socket!.send(text);
  }

  async get(path: string, headers: Record<string, string> = this.bearer): Promise<Response> {
    return await fetch(new URL(path, this.url), { headers, redirect: "manual" });
  }

  async json<T>(path: string): Promise<T> {
    return (await (await this.get(path)).json()) as T;
  }

  async until(happened: () => boolean): Promise<void> {
    const deadline = performance.now() + driverPatienceMs;
    const timer = setInterval(() => this.stir(), 100);
    try {
      while (!happened()) {
        const said = `${JSON.stringify(this.state)}\n${this.out}`;
        if (this.child.exitCode !== null) throw new Error(`it has ended: ${said}`);
        if (performance.now() > deadline) throw new Error(`it is elsewhere: ${said}`);
        await new Promise<void>((resolve) => this.waiting.push(resolve));
      }
    } finally {
      clearInterval(timer);
    }
  }

  /** As Ctrl-C. Returns the exit code. */
  async stop(): Promise<number> {
    this.socket?.close();
    this.child.kill("SIGINT");
    const killer = setTimeout(() => this.child.kill("SIGKILL"), 20_000);
    const code = await this.child.exited;
    clearTimeout(killer);
    return code;
  }

  get bearer(): Record<string, string> {
    return { authorization: `Bearer ${this.url.searchParams.get("token")}` };
  }

  private async connect(): Promise<void> {
    const socket = new WebSocket(`ws://${this.url.host}/replay`, { headers: this.bearer });
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      this.state = JSON.parse(String(data)) as ReplayState;
      this.stir();
    };
    await this.until(() => this.state !== null);
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.child.stdout) {
      this.out += decoder.decode(bytes, { stream: true });
      this.stir();
    }
    this.stir();
  }

  private stir(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
