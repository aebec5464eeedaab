// HTTP and WebSocket, for those whom the guard lets in.

import type { ServerWebSocket } from "bun";
import type { Address } from "../../config-values.ts";
import { asRefusal, Refusal } from "../../transport/os/errors.ts";
import { answer, change, privately } from "./api.ts";
import type { Breaks } from "./breaks.ts";
import { Guard } from "../../transport/wire/http/guard.ts";
import { PageFiles } from "./page-files.ts";
import type { RecordStreams } from "./record-streams.ts";
import { Subscriber } from "./subscriber.ts";
import type { Traces } from "./trace/traces.ts";
import type { Views } from "./views.ts";
import { Vigil } from "./vigil.ts";

const messageBytesMax = 16 * 1024;

const traceHeaders = {
  ...privately,
  "content-disposition": 'attachment; filename="fencepost.pftrace"',
  "content-type": "application/octet-stream",
};

interface Page {
  subscriber: Subscriber;
  vigil: Vigil;
}

type Socket = ServerWebSocket<Partial<Page>>;

export class InspectorServer {
  readonly pages = new Set<Subscriber>();
  private readonly sockets = new Set<Socket>();
  private readonly guard: Guard;
  private readonly files = new PageFiles();
  private readonly server: Bun.Server<Partial<Page>>;

  /** `words` are kept for a successor: port and token, so that what is open goes on. Throws a {@link Refusal}. */
  constructor(
    address: Address,
    words: Int32Array,
    readonly views: Views,
    readonly breaks: Breaks,
    private readonly traces: Traces,
    private readonly records: RecordStreams,
    private readonly now: () => number,
    /** Pages that may be open at a time. */
    private readonly pagesMax: number,
    private readonly tooMany: () => void,
  ) {
    const port = address.port === 0 ? words[0]! : address.port;
    try {
      this.server = Bun.serve<Partial<Page>>({
        hostname: address.hostname,
        port,
        // The supervisor's children inherit nothing, and no second server may take the port from us.
        reusePort: false,
        fetch: (request, server) => this.fetch(request, server),
        error: () => new Response("the inspector has failed\n", { status: 500 }),
        websocket: {
          maxPayloadLength: messageBytesMax,
          open: (socket) => this.open(socket),
          message: (socket, message) => this.receive(socket, String(message)),
          pong: (socket) => socket.data.vigil!.heard(),
          close: (socket) => this.leave(socket),
        },
      });
    } catch (error) {
      throw new Refusal(`cannot listen at ${address.hostname}:${port}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    words[0] = this.server.port!;
    this.guard = new Guard(words.subarray(1, 5), address.hostname, this.server.port!);
  }

  get url(): string {
    return this.guard.url;
  }

  close(): void {
    void this.server.stop(true);
  }

  /** Lets the guest go on whose holders are not there any more. */
  turn(ns: number): void {
    for (const socket of this.sockets) {
      const { subscriber, vigil } = socket.data as Page;
      if (this.breaks.isOf(subscriber) && vigil.isOver(ns)) socket.terminate();
    }
  }

  private fetch(
    request: Request,
    server: Bun.Server<Partial<Page>>,
  ): Response | Promise<Response> | undefined {
    const refused = this.guard.check(request);
    if (refused !== null) return refused;
    const url = new URL(request.url);
    if (url.pathname === "/feed") {
      if (this.pages.size >= this.pagesMax) {
        this.tooMany();
        return new Response("too many pages are open\n", { status: 503 });
      }
      if (server.upgrade(request, { data: {} })) return undefined;
      return new Response("this is a WebSocket\n", { status: 426 });
    }
    if (request.method === "POST") return this.change(request, url);
    if (request.method !== "GET") return new Response("only GET and POST\n", { status: 405 });
    if (url.pathname === "/api/trace") return this.trace();
    if (url.pathname === "/api/record") return this.record(request, server);
    if (/^\/(?:api\/|metrics$)/.test(url.pathname)) return answer(url, this, this.now());
    return this.file(url.pathname);
  }

  /** The guard has seen to it that no other site's page asks. */
  private async change(request: Request, url: URL): Promise<Response> {
    const length = Number(request.headers.get("content-length") ?? NaN);
    if (!(length <= messageBytesMax)) return new Response("the request is too long\n", { status: 413 });
    return change(url, await request.text(), this.views);
  }

  /** A trace of what happens from now on, until whoever reads it goes. */
  private trace(): Response {
    try {
      return new Response(this.traces.stream(), { headers: traceHeaders });
    } catch (error) {
      return new Response(`${asRefusal(error).message}\n`, { status: 503 });
    }
  }

  private record(request: Request, server: Bun.Server<Partial<Page>>): Promise<Response> {
    // A guest may have nothing to do for any time.
    server.timeout(request, 0);
    const { address, port } = server.requestIP(request) ?? { address: "an unknown address", port: 0 };
    return this.records.answer(request, `a reader at ${address}, port ${port}`);
  }

  private async file(path: string): Promise<Response> {
    return (await this.files.get(path)) ?? new Response(`there is no ${path}\n`, { status: 404 });
  }

  private open(socket: Socket): void {
    const subscriber = new Subscriber(socket);
    socket.data = { subscriber, vigil: new Vigil(socket) };
    this.sockets.add(socket);
    this.pages.add(subscriber);
  }

  private receive(socket: Socket, text: string): void {
    const { subscriber: page, vigil } = socket.data as Page;
    vigil.heard();
    const isBearable = page.receive(text, this.now(), (request) => this.breaks.act(page, request));
    if (!isBearable) socket.terminate();
  }

  private leave(socket: Socket): void {
    const page = socket.data.subscriber!;
    this.sockets.delete(socket);
    this.pages.delete(page);
    this.breaks.leave(page);
  }
}
