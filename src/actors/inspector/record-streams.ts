// What is recorded, for whoever reads it as it is made: the recorder writes to a pipe, and what the reader has not taken stays there.

import { asRefusal, Refusal } from "../../transport/os/errors.ts";
import { closeFd, createPipe } from "../../transport/os/fds.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { privately } from "./api.ts";

const pipeBytes = 1024 * 1024;
/** How long the recorder may take to begin, and readers to take what is left when the inspector stops. */
const beginMs = 13_000;
const settleMs = 1_000;

const headers = {
  ...privately,
  "content-disposition": 'attachment; filename="fencepost.rec"',
  "content-type": "application/octet-stream",
};

export class RecordStreams {
  private readonly open = new Set<PipeStream>();

  constructor(private readonly context: ActorContext) {}

  /** A recording of what happens from now on, until `request` is no more. `reader` says who reads it. */
  async answer(request: Request, reader: string): Promise<Response> {
    const checksums = new URL(request.url).searchParams.get("checksums") ?? "0";
    if (!["0", "1"].includes(checksums)) return refused("checksums: want 0 or 1", 400);
    try {
      const stream = await this.begin(checksums === "1", reader, request.signal);
      return new Response(stream.body, { headers });
    } catch (error) {
      return refused(asRefusal(error).message, 503);
    }
  }

  /** Waits for a moment until what was written is read, as far as its writer has gone. */
  async settle(): Promise<void> {
    const ends = [...this.open].map(({ ended }) => ended);
    await Promise.race([Promise.all(ends), Bun.sleep(settleMs)]);
  }

  /** Ends all of them. */
  close(): void {
    for (const stream of this.open) stream.close();
  }

  private async begin(checksums: boolean, reader: string, signal: AbortSignal): Promise<PipeStream> {
    const [fd, writer] = createPipe(pipeBytes);
    const { promise, resolve } = Promise.withResolvers<string>();
    this.context.asks.ask(
      "supervisor",
      { type: "ask-stream", fd: writer, reader, checksums },
      (answer) => resolve(answer === null ? "the recorder does not answer" : answer.error),
      { timeoutMs: beginMs },
    );
    const error = await promise;
    if (error !== "" || signal.aborted) {
      closeFd(fd);
      throw new Refusal(error);
    }
    const stream = new PipeStream(fd);
    this.open.add(stream);
    void stream.ended.then(() => this.open.delete(stream));
    signal.addEventListener("abort", () => stream.close());
    return stream;
  }
}

const refused = (why: string, status: number): Response => new Response(`${why}\n`, { status });

/** What comes out of a pipe, no sooner than it is wanted. */
class PipeStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly ended: Promise<void>;
  private readonly reader;
  private readonly tellEnd: () => void;
  private isClosed = false;

  /** Takes over `fd`. */
  constructor(private readonly fd: number) {
    this.reader = Bun.file(fd).stream().getReader();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.tellEnd = resolve;
    this.body = new ReadableStream<Uint8Array>(
      { pull: (controller) => this.pull(controller), cancel: () => this.close() },
      { highWaterMark: 0 },
    );
  }

  /** Whoever writes to it hears that nobody reads any more. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    void this.reader.cancel().then(() => {
      closeFd(this.fd);
      this.tellEnd();
    });
  }

  private async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const { value, done } = await this.reader.read();
    if (this.isClosed) return;
    if (!done) return controller.enqueue(value);
    controller.close();
    this.close();
  }
}
