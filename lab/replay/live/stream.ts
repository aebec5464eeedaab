// A recording that a server streams.

import { Refusal } from "../../../src/transport/os/errors.ts";
import { readerOf } from "../../../src/transport/wire/record/reader.ts";
import type { ReadAt } from "../../../src/transport/wire/record/recording.ts";
import type { Source } from "./source.ts";
import { Spool } from "./spool.ts";
import { Reached, type Told, type Wanted } from "./stream-words.ts";

/** How often whoever waits may look at something else. */
const lookMs = 100;

export class Stream implements Source {
  readonly readAt: ReadAt;
  bytes = 0;
  end: string | null = null;
  private failed: string | null = null;
  private readonly spool: Spool;
  private readonly reached = new SharedArrayBuffer(Reached.count * 8);
  private readonly worker: Worker;
  private tell: () => void = () => {};

  /** Keeps what comes at `path`, unless that is null. Throws a {@link Refusal}. */
  constructor({ url, token }: Pick<Wanted, "url" | "token">, path: string | null) {
    this.spool = new Spool(path);
    this.readAt = readerOf(this.spool.fd);
    this.worker = new Worker(new URL("./stream-reader.ts", import.meta.url));
    this.worker.onmessage = ({ data }: MessageEvent<Told>) => this.take(data);
    this.worker.onerror = (event) => this.take({ end: event.message });
    this.worker.postMessage({ url, token, fd: this.spool.fd, reached: this.reached } satisfies Wanted);
  }

  async wait(): Promise<void> {
    if (this.failed === null && this.end === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.tell = resolve;
      const timer = setTimeout(resolve, lookMs);
      await promise;
      clearTimeout(timer);
    }
    if (this.failed !== null) throw new Refusal(this.failed);
  }

  forget(before: number): void {
    new Float64Array(this.reached)[Reached.played] = before;
    this.spool.forget(before);
  }

  close(): void {
    this.worker.terminate();
    this.spool.close();
  }

  private take(told: Told): void {
    if ("bytes" in told) this.bytes = told.bytes;
    else if ("end" in told) this.end = told.end;
    else this.failed = told.failed;
    this.tell();
  }
}
