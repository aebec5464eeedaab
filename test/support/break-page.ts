// A page that has a break, without a browser: its connection, and what it was told last.

import { Unpackr } from "msgpackr";
import type { Batch, BreakRecord, PageRequest } from "../../src/actors/inspector/feed.ts";

/** How the inspector that a server has logged is reached. */
export function inspectorIn(log: string): { url: URL; headers: Record<string, string> } {
  const url = new URL(/.*inspector: open (\S+)/s.exec(log)![1]!);
  return { url, headers: { authorization: `Bearer ${url.searchParams.get("token")}` } };
}

export class BreakPage {
  record: BreakRecord | null = null;
  errors: string[] = [];
  private readonly unpackr = new Unpackr({ useRecords: true, sequential: true });

  private constructor(private readonly socket: WebSocket) {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const batch = this.unpackr.unpack(new Uint8Array(data as ArrayBuffer)) as Batch;
      if (batch.break !== undefined) this.record = batch.break;
      if (batch.error !== undefined) this.errors.push(batch.error);
    };
  }

  static async open(log: string): Promise<BreakPage> {
    const { url, headers } = inspectorIn(log);
    const feed = new URL("/feed", url);
    feed.protocol = "ws:";
    const socket = new WebSocket(feed, { headers } as never);
    const page = new BreakPage(socket);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    page.say({ type: "subscribe", topic: "break" });
    return page;
  }

  say(request: PageRequest): void {
    this.socket.send(JSON.stringify(request));
  }

  /** Sets a break, and waits until it is there, as the last of `count`: the same words tell nobody whose it is. */
  async breakAt(filter: string, count = 1): Promise<void> {
    this.say({ type: "break", filter });
    await this.until(({ breaks }) => breaks.length >= count && breaks.includes(filter));
  }

  /** Waits until what it was told last `holds`. */
  async until(holds: (record: BreakRecord) => boolean, attempts = 800): Promise<BreakRecord> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (this.record !== null && holds(this.record)) return this.record;
      await Bun.sleep(10);
    }
    throw new Error(`not told in time: ${JSON.stringify([this.record, this.errors])}`);
  }

  /** Waits until it is paused before a command, or after one, `stops` times in all at least. */
  untilPaused(stops = 1): Promise<BreakRecord> {
    return this.until((record) => record.state === "paused" && record.stops >= stops && record.steps === 0);
  }

  close(): void {
    this.socket.close();
  }
}
