// Through to the inspector of the server that plays: what a page asks for that is not the replay's.

import type { ServerWebSocket } from "bun";
import { RawWebSocket } from "./raw-websocket.ts";

/** A page that is owed more is waited for. */
const owedBytesMax = 256 * 1024;
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
  private readonly origin: URL;
  private readonly headers: Record<string, string>;

  /** `url` is what the inspector has logged, with its token. */
  constructor(url: URL) {
    this.origin = new URL(url.origin);
    this.headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  }

  async get({ pathname, search }: URL, signal: AbortSignal): Promise<Response> {
    try {
      const { headers } = this;
      const url = new URL(this.origin);
      // Two slashes would lead to another host, with the token.
      url.pathname = pathname;
      url.search = search;
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
    return new Feed(this.origin, this.headers, page);
  }
}

export class Feed {
  private readonly server: RawWebSocket;
  /** Null once it is open. */
  private early: string[] | null = [];

  constructor(url: URL, headers: Readonly<Record<string, string>>, page: ServerWebSocket<unknown>) {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    this.server = new RawWebSocket(host, Number(url.port), "/feed", headers, {
      opened: () => {
        for (const text of this.early ?? []) this.server.send(text);
        this.early = null;
      },
      message: (bytes) => {
        page.sendBinary(bytes);
        // The server leaves out and merges what a page does not keep up with: it has to hear of that.
        if (page.getBufferedAmount() > owedBytesMax) this.server.pause();
      },
      pinged: (bytes) => void page.ping(bytes),
      closed: () => page.close(),
    });
  }

  say(text: string): void {
    if (this.early === null) this.server.send(text);
    else if (this.early.length < earlyMax) this.early.push(text);
    else this.close();
  }

  /** The page has answered a ping. */
  pong(bytes: Uint8Array): void {
    this.server.pong(bytes);
  }

  /** The page has taken what it was owed. */
  drained(): void {
    this.server.resume();
  }

  close(): void {
    this.server.close();
  }
}
