// Where browsers find a replay: the page of the server that plays it, and beside that what steers the replay.

import type { ServerWebSocket } from "bun";
import { asRefusal, Refusal } from "../../../src/transport/os/errors.ts";
import type { Address } from "../../../src/config-values.ts";
import { Guard } from "../../../src/transport/wire/http/guard.ts";
import type { Desk } from "./desk.ts";
import { type Feed, Passage } from "./passage.ts";
import { readReplayRequest, requestBytesMax } from "./requests.ts";

const connectionsMax = 32;
/** What a page says to its feed; the server has a limit of its own. */
const messageBytesMax = 16 * 1024;
/** A page that is not there any more answers no ping for so long; a break of its is not kept then. */
const silenceSeconds = 12;
/** A replay's state is told so often at most. */
const toldMs = 30;

const privately = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

interface Page {
  readonly wants: "feed" | "replay";
  feed?: Feed;
}

type Socket = ServerWebSocket<Page>;

export class Door {
  private readonly server: Bun.Server<Page>;
  private readonly guard: Guard;
  private readonly passage: Passage;
  private readonly sockets = new Set<Socket>();
  private teller: ReturnType<typeof setTimeout> | null = null;

  /** `inspector` is the URL of the server's own, with its token. Throws a {@link Refusal}. */
  constructor(
    { hostname, port }: Address,
    inspector: URL,
    private readonly desk: Desk,
  ) {
    this.passage = new Passage(inspector);
    try {
      this.server = Bun.serve<Page>({
        hostname,
        port,
        reusePort: false,
        fetch: (request, server) => this.fetch(request, server),
        error: () => new Response("the replay has failed\n", { status: 500 }),
        websocket: {
          maxPayloadLength: messageBytesMax,
          idleTimeout: silenceSeconds,
          sendPings: true,
          open: (socket) => this.open(socket),
          message: (socket, message) => this.receive(socket, String(message)),
          pong: (socket, bytes) => socket.data.feed?.pong(bytes),
          drain: (socket) => socket.data.feed?.drained(),
          close: (socket) => this.leave(socket),
        },
      });
    } catch (error) {
      const text = `cannot listen at ${hostname}:${port}: ${(error as Error).message}`;
      throw new Refusal(text, { cause: error });
    }
    this.guard = new Guard(new Int32Array(4), hostname, this.server.port!);
  }

  /** What a person opens. */
  get url(): string {
    return this.guard.url;
  }

  /** Tells all pages where the replay is, soon. */
  readonly changed = (): void => {
    this.teller ??= setTimeout(() => {
      this.teller = null;
      const text = JSON.stringify(this.desk.state());
      for (const socket of this.sockets) if (socket.data.wants === "replay") socket.send(text);
    }, toldMs);
  };

  close(): void {
    if (this.teller !== null) clearTimeout(this.teller);
    void this.server.stop(true);
  }

  private fetch(request: Request, server: Bun.Server<Page>): Response | Promise<Response> | undefined {
    const refused = this.guard.check(request);
    if (refused !== null) return refused;
    const url = new URL(request.url);
    if (url.pathname === "/feed" || url.pathname === "/replay") {
      if (this.sockets.size >= connectionsMax) return plain("too many pages are open", 503);
      const wants = url.pathname === "/feed" ? "feed" : "replay";
      return server.upgrade(request, { data: { wants } }) ? undefined : plain("this is a WebSocket", 426);
    }
    if (request.method !== "GET") return plain("only GET", 405);
    if (/^\/api\/replay(?:\/|$)/.test(url.pathname)) return this.tell(url);
    return this.passage.get(url, request.signal);
  }

  private async tell(url: URL): Promise<Response> {
    try {
      const told = await this.desk.answer(url);
      const body = told === undefined ? { error: `there is no ${url.pathname}` } : told;
      return Response.json(body, { status: told === undefined ? 404 : 200, headers: privately });
    } catch (error) {
      return Response.json({ error: asRefusal(error).message }, { status: 400, headers: privately });
    }
  }

  private open(socket: Socket): void {
    this.sockets.add(socket);
    if (socket.data.wants === "feed") socket.data.feed = this.passage.feed(socket);
    else socket.send(JSON.stringify(this.desk.state()));
  }

  private receive(socket: Socket, text: string): void {
    if (socket.data.wants === "feed") return socket.data.feed!.say(text);
    try {
      this.desk.ask(readReplayRequest(text.slice(0, requestBytesMax + 1)));
    } catch (error) {
      const { message } = asRefusal(error);
      socket.send(JSON.stringify({ ...this.desk.state(), error: message }));
    }
  }

  private leave(socket: Socket): void {
    this.sockets.delete(socket);
    socket.data.feed?.close();
  }
}

const plain = (text: string, status: number): Response => new Response(`${text}\n`, { status });
