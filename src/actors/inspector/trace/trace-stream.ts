// A trace for whoever reads it as it is made, such as a page.

import type { TraceSink } from "./running-trace.ts";

/** Bytes that the reader has not taken, beyond which the trace ends. */
const unreadMax = 16 * 1024 * 1024;

export class TraceStream implements TraceSink {
  error: string | null = null;
  readonly body: ReadableStream<Uint8Array>;
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null;

  constructor() {
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.controller = controller),
        cancel: () => {
          this.controller = null;
          this.error ??= "its reader has gone";
        },
      },
      { highWaterMark: unreadMax, size: (packets) => packets!.length },
    );
  }

  write(packets: Uint8Array): void {
    const { controller } = this;
    if (controller === null) return;
    controller.enqueue(packets);
    if (controller.desiredSize! < 0) this.error ??= "its reader is too slow";
  }

  async end(last: Uint8Array): Promise<void> {
    const { controller } = this;
    this.controller = null;
    controller?.enqueue(last);
    controller?.close();
  }
}
