// The control socket: one JSON request a line, one JSON answer a line. `bun run ctl` is its client.

import { chmodSync, existsSync, unlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Socket } from "bun";
import { z } from "zod";
import { freeSocketPath } from "../../transport/os/unix-path.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { type WorkerName, workerNames } from "../names.ts";
import type { Picture } from "./inquiries.ts";

const lineBytesMax = 64 * 1024;

export const ControlRequest = z.discriminatedUnion("command", [
  z.object({ command: z.literal("status") }),
  z.object({
    command: z.literal("screenshot"),
    scanout: z
      .int()
      .min(0)
      .max(scanoutsMax - 1)
      .default(0),
    path: z.string().min(1),
  }),
  z.object({ command: z.literal("kill"), actor: z.enum(workerNames) }),
  z.object({ command: z.literal("shutdown") }),
]);
export type ControlRequest = z.infer<typeof ControlRequest>;

export interface ControlHandlers {
  status(): Promise<Record<string, unknown>>;
  screenshot(scanout: number): Promise<Picture>;
  kill(actor: WorkerName): void;
  shutdown(): void;
}

interface Connection {
  received: string;
}

export class ControlServer {
  private server: { stop(closeActiveConnections?: boolean): void } | null = null;

  constructor(
    private readonly path: string,
    private readonly handlers: ControlHandlers,
  ) {}

  /** Listens; a socket that a dead server left behind is replaced. Throws when a live one has it. */
  async open(): Promise<void> {
    const taken = freeSocketPath(this.path);
    if (taken === "not a socket") throw new Error("it exists and is not a socket");
    if (taken === "live") throw new Error("another server is using it");
    this.server = Bun.listen<Connection>({
      unix: this.path,
      socket: {
        open: (socket) => {
          socket.data = { received: "" };
        },
        data: (socket, bytes) => this.data(socket, bytes),
      },
    });
    // It can end the server and write files: its owner's business only.
    chmodSync(this.path, 0o600);
  }

  close(): void {
    if (this.server === null) return;
    this.server.stop(false);
    this.server = null;
    if (existsSync(this.path)) unlinkSync(this.path);
  }

  private data(socket: Socket<Connection>, bytes: Buffer): void {
    const lines = (socket.data.received + bytes.toString("utf8")).split("\n");
    socket.data.received = lines.pop()!;
    if (socket.data.received.length > lineBytesMax) socket.end();
    for (const line of lines) void this.serve(socket, line);
  }

  private async serve(socket: Socket<Connection>, line: string): Promise<void> {
    let answer: Record<string, unknown>;
    try {
      answer = { ok: true, ...(await this.run(parse(line))) };
    } catch (error) {
      answer = { ok: false, error: (error as Error).message };
    }
    socket.write(`${JSON.stringify(answer)}\n`);
  }

  private async run(request: ControlRequest): Promise<Record<string, unknown>> {
    switch (request.command) {
      case "status":
        return await this.handlers.status();
      case "screenshot": {
        const { width, height, pixels } = await this.handlers.screenshot(request.scanout);
        const path = resolve(request.path);
        // Loaded now: few servers are ever asked for a picture.
        const { encodePng } = await import("../../picture/png.ts");
        await writeFile(path, await encodePng(pixels, width, height));
        return { path, width, height };
      }
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

function parse(line: string): ControlRequest {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error("want one JSON object a line");
  }
  const result = ControlRequest.safeParse(json);
  if (!result.success) throw new Error(z.prettifyError(result.error));
  return result.data;
}
