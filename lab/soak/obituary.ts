// Who has died and come back, as the server's log has it.

import { closeSync, openSync, readSync } from "node:fs";

const day = 24 * 3_600_000;
/** So long after its return an actor's crashes are forgiven, and a little more. */
const forgivenMs = 12_000;
/** Deaths in a row that are asked for: fewer than end the device, since some come unasked. */
const rowMax = 3;
const chunkBytes = 65_536;

interface Life {
  /** When it crashed; null while it runs. */
  crashedAt: number | null;
  /** When another one was there, by our own clock. */
  returnedAt: number;
  row: number;
}

export class Obituary {
  deaths = 0;
  /** From the line that says a death to the one that says that another has taken over. */
  slowestMs = 0;
  private readonly lives = new Map<string, Life>();
  private readonly fd: number;
  private rest = "";

  constructor(logPath: string) {
    this.fd = openSync(logPath, "r");
  }

  /** Whether one more death of `actor` is forgiven. */
  mayDie(actor: string): boolean {
    this.read();
    const life = this.lives.get(actor);
    if (life === undefined) return true;
    if (life.crashedAt !== null) return false;
    return life.row < rowMax || performance.now() - life.returnedAt > forgivenMs;
  }

  /** How often `actor` has come back. */
  returnsOf(actor: string): number {
    this.read();
    return this.returns.get(actor) ?? 0;
  }

  /** Actors that have died and of which there is no other yet. */
  get missing(): string[] {
    this.read();
    return [...this.lives].flatMap(([actor, { crashedAt }]) => (crashedAt === null ? [] : actor));
  }

  close(): void {
    closeSync(this.fd);
  }

  private readonly returns = new Map<string, number>();

  private read(): void {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (let count = readSync(this.fd, chunk); count > 0; count = readSync(this.fd, chunk)) {
      const lines = (this.rest + chunk.toString("latin1", 0, count)).split("\n");
      this.rest = lines.pop()!;
      for (const line of lines) this.take(line);
    }
  }

  private take(line: string): void {
    const [, hours, minutes, seconds, actor, said] =
      /^(\d\d):(\d\d):(\d\d\.\d{3}) \w+ +([\w-]+): (.*)$/.exec(line) ?? [];
    if (actor === undefined) return;
    const at = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
    const life = this.lives.get(actor) ?? { crashedAt: null, returnedAt: -Infinity, row: 0 };
    if (said!.startsWith("crashed: ")) {
      const isForgiven = performance.now() - life.returnedAt > forgivenMs;
      this.lives.set(actor, { ...life, crashedAt: at, row: isForgiven ? 1 : life.row + 1 });
      this.deaths++;
    } else if (said === "restarted" && life.crashedAt !== null) {
      this.slowestMs = Math.max(this.slowestMs, (at - life.crashedAt + day) % day);
      this.lives.set(actor, { ...life, crashedAt: null, returnedAt: performance.now() });
      this.returns.set(actor, (this.returns.get(actor) ?? 0) + 1);
    }
  }
}
