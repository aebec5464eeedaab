// What QEMU's trace says: lines such as "4711@1764407983.123456:virtio_gpu_cmd_res_flush res 0x1, w 1280, …".

import { readFileSync } from "node:fs";

/** QEMU's arguments for a trace to the file at `path`, with time stamps. */
export const traceArgs = (path: string, event?: string): readonly string[] => [
  ...["-trace", event === undefined ? `file=${path}` : `enable=${event},file=${path}`],
  ...["-msg", "timestamp=on"],
];

export class TraceReader {
  private taken = 0;

  constructor(private readonly path: string) {}

  /** The lines since the last call. */
  take(): string {
    const text = readFileSync(this.path, "latin1");
    const lines = text.slice(this.taken, text.lastIndexOf("\n") + 1);
    this.taken += lines.length;
    return lines;
  }
}

/** When each of these events was, in microseconds since 1970; `details` is what its line must go on with. */
export function traceTimes(lines: string, event: string, details = ""): number[] {
  const pattern = new RegExp(`^\\d+@(\\d+)\\.(\\d{6}):${event} .*${details}`, "gm");
  return Array.from(lines.matchAll(pattern), (match) => Number(match[1]) * 1e6 + Number(match[2]));
}
