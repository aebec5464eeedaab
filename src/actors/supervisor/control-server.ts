// The control socket: one JSON request a line, one JSON answer a line. `bun run ctl` is its client.

import { constants } from "node:fs";
import type { Socket } from "bun";
import { Refusal } from "../../transport/os/errors.ts";
import { writeWhole } from "../../transport/os/files.ts";
import { freeSocketPath, removeSocket } from "../../transport/os/unix-path.ts";
import { type OutputChanges, parseOutputs } from "../output-changes.ts";
import type { WorkerName } from "../registry.ts";
import type { Level } from "../runtime/log.ts";
import { OutsideSandbox } from "../sandbox/outside.ts";
import { type ControlRequest, readRequest } from "./control-request.ts";
import { Outsiders } from "./outsiders.ts";

/** A pipe that nobody reads is an error, and no wait of which nobody hears. */
const patiently = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK;
const lineBytesMax = 64 * 1024;
/** Answers that a client asks for and does not read. */
const unsentBytesMax = 1024 * 1024;
/** Requests of one client that wait for their turn; it is not read from while there are more. */
const waitingMax = 64;

const tooMany = `${JSON.stringify({ ok: false, error: "too many programs talk to this server already" })}\n`;

/** A picture: `height` rows of `width` pixels, bytes B, G, R, X, tightly packed. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array<ArrayBuffer>;
}

/** What the guest has, and what of it the bytes lack: its 3D contexts' state, by their names or numbers. */
export interface StateSnapshot {
  bytes: Uint8Array;
  resources: number;
  contexts: string[];
}

export interface ControlHandlers {
  status(): Promise<Record<string, unknown>>;
  screenshot(scanout: number): Promise<Picture>;
  snapshot(): Promise<StateSnapshot>;
  /** Throws where the server may not write to a file that it is told to. */
  checkFile(path: string): void;
  /** The inspector's URL, with its token. Throws where there is none. */
  inspector(): string;
  /** Throws where there is one already, or none can be made. */
  startTrace(path: string): void;
  /** Returns the file, and how many bytes it got. Throws where there is none. */
  stopTrace(): Promise<{ path: string; bytes: number }>;
  /** Records to a file of this absolute path. Throws where that cannot be. */
  startRecording(path: string): Promise<{ path: string; contexts: number }>;
  stopRecording(): Promise<{ path: string; bytes: number }>;
  setLogLevel(level: Level): void;
  /** The outputs, once they are as `changes` says. Throws where they cannot be. */
  outputs(changes: OutputChanges | null): Promise<Record<string, unknown>>;
  kill(actor: WorkerName): void;
  /** A program is one too many. */
  tooMany(): void;
  shutdown(): void;
}

interface Connection {
  received: string;
  /** Requests that wait for their turn, oldest first: answers keep their order. */
  lines: string[];
  isServing: boolean;
  isClosed: boolean;
  /** What the socket has not taken of the answers. */
  unsent: Buffer;
}

export class ControlServer {
  readonly outsiders = new Outsiders();
  private server: { stop(closeActiveConnections?: boolean): void } | null = null;
  private peers = 0;

  constructor(
    private readonly path: string,
    private readonly peersMax: number,
    private readonly handlers: ControlHandlers,
  ) {}

  /** Listens; a socket that a dead server left behind is replaced. Throws when a live one has it. */
  open(): void {
    freeSocketPath(this.path);
    // It can end the server and write files: its owner's business only, from the moment when it is there.
    const before = process.umask(0o177);
    try {
      this.server = this.listen();
    } catch (error) {
      throw new Refusal(`cannot listen at ${this.path}: ${(error as Error).message}`, { cause: error });
    } finally {
      process.umask(before);
    }
  }

  close(): void {
    if (this.server === null) return;
    this.server.stop(false);
    this.server = null;
    removeSocket(this.path);
  }

  private listen(): { stop(closeActiveConnections?: boolean): void } {
    return Bun.listen<Connection>({
      unix: this.path,
      socket: {
        open: (socket) => {
          const isClosed = this.peers >= this.peersMax;
          socket.data = { received: "", lines: [], isServing: false, isClosed, unsent: Buffer.alloc(0) };
          this.peers++;
          if (!isClosed) return;
          this.handlers.tooMany();
          socket.end(tooMany);
        },
        data: (socket, bytes) => this.data(socket, bytes),
        drain: send,
        close: (socket) => {
          this.peers--;
          socket.data.isClosed = true;
          this.outsiders.forget(socket.data);
        },
      },
    });
  }

  private data(socket: Socket<Connection>, bytes: Buffer): void {
    const { data } = socket;
    if (data.isClosed) return;
    const lines = (data.received + bytes.toString("utf8")).split("\n");
    data.received = lines.pop()!;
    data.lines.push(...lines);
    if (data.received.length > lineBytesMax) {
      data.isClosed = true;
      socket.end();
    } else if (!data.isServing) void this.serveAll(socket);
  }

  /** Serves what waits of one client, and reads no more of it meanwhile than that. */
  private async serveAll(socket: Socket<Connection>): Promise<void> {
    const { data } = socket;
    data.isServing = true;
    const isMany = data.lines.length > waitingMax;
    if (isMany) socket.pause();
    for (let line = data.lines.shift(); line !== undefined && !data.isClosed; line = data.lines.shift()) {
      await this.serve(socket, line);
    }
    data.isServing = false;
    if (data.isClosed) socket.terminate();
    else if (isMany) socket.resume();
  }

  private async serve(socket: Socket<Connection>, line: string): Promise<void> {
    let answer: Record<string, unknown>;
    try {
      answer = { ok: true, ...(await this.run(socket.data, parse(line))) };
    } catch (error) {
      // Whatever it is, the person who asked is told.
      answer = { ok: false, error: (error as Error).message };
      if (error instanceof OutsideSandbox) answer["isOutside"] = true;
    }
    socket.data.unsent = Buffer.concat([socket.data.unsent, Buffer.from(`${JSON.stringify(answer)}\n`)]);
    send(socket);
    if (socket.data.unsent.length > unsentBytesMax) socket.terminate();
  }

  private async run(client: Connection, request: ControlRequest): Promise<Record<string, unknown>> {
    if ("path" in request) this.handlers.checkFile(request.path);
    switch (request.command) {
      case "status":
        return await this.handlers.status();
      case "screenshot": {
        const { width, height, pixels } = await this.handlers.screenshot(request.scanout);
        const { path } = request;
        // Loaded now: few servers are ever asked for a picture.
        const { encodePng } = await import("../../picture/png.ts");
        await writeWhole(path, await encodePng(pixels, width, height), { flags: patiently });
        return { path, width, height };
      }
      case "snapshot": {
        const { bytes, resources, contexts } = await this.handlers.snapshot();
        // It is what the guest shows, which is its owner's business.
        await writeWhole(request.path, bytes, { flags: patiently, mode: 0o600 });
        return { path: request.path, bytes: bytes.length, resources, contexts };
      }
      case "inspector":
        return { url: this.handlers.inspector() };
      case "trace-start":
        this.handlers.startTrace(request.path);
        return { path: request.path };
      case "trace-stop":
        return await this.handlers.stopTrace();
      case "record-start":
        return await this.handlers.startRecording(request.path);
      case "record-stop":
        return await this.handlers.stopRecording();
      case "outsider": {
        const { name, state, counters } = request;
        this.outsiders.tell(client, { name, state, counters });
        return {};
      }
      case "log-level":
        this.handlers.setLogLevel(request.level);
        return { level: request.level };
      case "outputs":
        return await this.handlers.outputs(null);
      case "outputs-set":
        return await this.handlers.outputs(parseOutputs(request.outputs));
      case "kill":
        this.handlers.kill(request.actor);
        return {};
      case "shutdown":
        // The answer must be on its way before the socket is closed.
        setTimeout(() => this.handlers.shutdown(), 10);
        return {};
    }
  }
}

/** Gives the socket what it takes of the answers now; it says when it takes more. */
function send(socket: Socket<Connection>): void {
  const { data } = socket;
  if (data.unsent.length === 0) return;
  const written = socket.write(data.unsent);
  // It has gone, though that is not heard while it is not read from.
  if (written < 0) data.isClosed = true;
  else data.unsent = data.unsent.subarray(written);
}

function parse(line: string): ControlRequest {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error("want one JSON object a line");
  }
  return readRequest(json);
}
