// A Unix socket on which both sides speak in lines.

import type { Socket } from "bun";
import { until } from "./deadline.ts";

export interface LineHandlers {
  line(text: string): void;
  /** The peer is gone. */
  closed(): void;
}

export class LineConnection {
  private constructor(private readonly socket: Socket<undefined>) {}

  /** Connects as soon as somebody listens at `path`. */
  static async open(path: string, handlers: LineHandlers, timeoutMs: number): Promise<LineConnection> {
    let received = "";
    const decoder = new TextDecoder();
    const connect = () =>
      Bun.connect({
        unix: path,
        socket: {
          data: (_, bytes) => {
            const lines = (received + decoder.decode(bytes, { stream: true })).split("\n");
            received = lines.pop()!;
            for (const line of lines) handlers.line(line.trimEnd());
          },
          close: () => handlers.closed(),
        },
      }).catch(
        // Nobody listens yet: whoever waits says so when it takes too long.
        () => undefined,
      );
    return new LineConnection(await until(`a listener at ${path}`, connect, timeoutMs));
  }

  send(line: string): void {
    this.socket.write(`${line}\n`);
  }

  close(): void {
    this.socket.end();
  }
}
