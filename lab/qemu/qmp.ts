// QEMU's machine protocol: commands, and events counted by name.

import { until, within } from "./deadline.ts";
import { LineConnection } from "./line-connection.ts";

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

interface Message {
  QMP?: unknown;
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
}

const commandTimeoutMs = 10_000;

export class Qmp {
  private connection: LineConnection | null = null;
  private nextId = 1;
  private readonly pending = new Map<number, Pending>();
  private readonly eventCounts = new Map<string, number>();
  private isClosed = false;

  static async connect(path: string, timeoutMs: number): Promise<Qmp> {
    const qmp = new Qmp();
    qmp.connection = await LineConnection.open(
      path,
      { line: (text) => qmp.receive(JSON.parse(text) as Message), closed: () => qmp.closed() },
      timeoutMs,
    );
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  /** Returns what the command gives; throws what QEMU says against it. */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    if (this.isClosed) return Promise.reject(new Error(`QMP is closed; ${command} was not sent`));
    const id = this.nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.pending.set(id, { resolve, reject: (error) => reject(new Error(`${command}: ${error.message}`)) });
    this.connection!.send(JSON.stringify({ execute: command, id, ...(args && { arguments: args }) }));
    return within(`QMP's answer to ${command}`, promise, commandTimeoutMs);
  }

  /** How often `event` has come so far. */
  eventCount(event: string): number {
    return this.eventCounts.get(event) ?? 0;
  }

  /** Waits until `event` has come at least `count` times in all. */
  async waitForEvent(event: string, count: number, timeoutMs: number): Promise<void> {
    await until(`QMP event ${event}`, () => this.eventCount(event) >= count || undefined, timeoutMs);
  }

  close(): void {
    this.connection?.close();
  }

  private receive(message: Message): void {
    if (message.event !== undefined) {
      this.eventCounts.set(message.event, this.eventCount(message.event) + 1);
      return;
    }
    const pending = message.id === undefined ? undefined : this.pending.get(message.id);
    if (pending === undefined) return;
    this.pending.delete(message.id!);
    if (message.error) pending.reject(new Error(message.error.desc));
    else pending.resolve(message.return);
  }

  private closed(): void {
    this.isClosed = true;
    for (const { reject } of this.pending.values()) reject(new Error("QEMU closed the connection"));
    this.pending.clear();
  }
}
