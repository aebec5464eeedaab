// Through to the inspector of the server that plays: what a page asks for that is not the replay's.

import type { ServerWebSocket } from "bun";

/** What a page that does not keep up may still be owed: its feed cannot leave anything out. */
const owedBytesMax = 64 * 1024 * 1024;
/** What a page may say before its feed is open. */
const earlyMax = 64;

/** What of a response is passed on. */
const passedHeaders = [
  "cache-control",
  "content-disposition",
  "content-security-policy",
  "content-type",
  "cross-origin-resource-policy",
  "referrer-policy",
  "x-content-type-options",
];

export class Passage {
  private readonly origin: string;
  private readonly headers: Record<string, string>;

  /** `url` is what the inspector has logged, with its token. */
  constructor(url: URL) {
    this.origin = url.host;
    this.headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  }

  async get({ pathname, search }: URL, signal: AbortSignal): Promise<Response> {
    try {
      const { headers } = this;
      const url = `http://${this.origin}${pathname}${search}`;
      const response = await fetch(url, { headers, signal, redirect: "manual" });
      const passed = passedHeaders.flatMap((name) => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value] as [string, string]];
      });
      return new Response(response.body, { status: response.status, headers: passed });
    } catch (error) {
      // The server is gone, or the page is.
      return new Response(`the server does not answer: ${(error as Error).message}\n`, { status: 502 });
    }
  }

  /** The feed for a page; what is returned is told what that says. */
  feed(page: ServerWebSocket<unknown>): Feed {
    return new Feed(new WebSocket(`ws://${this.origin}/feed`, { headers: this.headers }), page);
  }
}

export class Feed {
  /** Null once it is open. */
  private early: string[] | null = [];

  constructor(
    private readonly socket: WebSocket,
    page: ServerWebSocket<unknown>,
  ) {
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      for (const text of this.early ?? []) socket.send(text);
      this.early = null;
    };
    socket.onmessage = ({ data }) => {
      if (page.getBufferedAmount() > owedBytesMax) page.terminate();
      else page.send(data as ArrayBuffer);
    };
    socket.onclose = () => page.close();
  }

  say(text: string): void {
    if (this.early === null) this.socket.send(text);
    else if (this.early.length < earlyMax) this.early.push(text);
    else this.close();
  }

  close(): void {
    this.socket.close();
  }
}
