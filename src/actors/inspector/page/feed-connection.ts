// The page's end of the feed: one socket, what it is subscribed to, and another socket when that one is lost.

import { Unpackr } from "msgpackr";
import type { Batch, PageRequest, Topic } from "../feed.ts";

const firstWaitMs = 250;
const longestWaitMs = 5_000;

/** "refused": a server is there, and does not know our cookie. */
export type Connection = "connecting" | "open" | "lost" | "refused";

export interface FeedListener {
  connection(state: Connection): void;
  batch(batch: Batch): void;
}

export class FeedConnection {
  /** Each with its filter, which is empty where there is none. */
  private readonly wanted = new Map<Topic, string>();
  private socket: WebSocket | null = null;
  private waitMs = firstWaitMs;

  constructor(
    private readonly url: string,
    private readonly listener: FeedListener,
  ) {}

  open(): void {
    const socket = new WebSocket(this.url);
    // Structures of records are told once a connection, so each has an unpacker of its own.
    const unpackr = new Unpackr({ useRecords: true, sequential: true });
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.waitMs = firstWaitMs;
      for (const [topic, filter] of this.wanted) this.ask(topic, filter);
      this.listener.connection("open");
    };
    socket.onmessage = ({ data }) =>
      this.listener.batch(unpackr.unpack(new Uint8Array(data as ArrayBuffer)) as Batch);
    socket.onclose = () => {
      this.socket = null;
      void this.tryAgain();
    };
  }

  subscribe(topic: Topic, filter = ""): void {
    if (this.wanted.get(topic) === filter) return;
    this.wanted.set(topic, filter);
    this.ask(topic, filter);
  }

  unsubscribe(topic: Topic): void {
    if (this.wanted.delete(topic)) this.send({ type: "unsubscribe", topic });
  }

  /** Says something that no connection after this one is told again. */
  send(request: PageRequest): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  private async tryAgain(): Promise<void> {
    this.listener.connection("lost");
    setTimeout(() => this.open(), this.waitMs);
    this.waitMs = Math.min(longestWaitMs, this.waitMs * 2);
    try {
      // A socket does not say why it was closed. A server that has started anew has another token.
      const { status } = await fetch("/");
      if (status === 401 && this.socket?.readyState !== WebSocket.OPEN) this.listener.connection("refused");
    } catch {
      // No server is there: what is said already.
    }
  }

  private ask(topic: Topic, filter: string): void {
    this.send({ type: "subscribe", topic, ...(filter === "" ? {} : { filter }) });
  }
}
