// Where a server's inspector is.

import { Refusal } from "../../src/transport/os/errors.ts";
import type { ServerProcess } from "./server-process.ts";

/** The URL that a server logs for those who may look, which may be a moment after it listens. Throws a {@link Refusal}. */
export async function inspectorUrl(
  server: ServerProcess,
  patienceMs: number,
  signal?: AbortSignal,
): Promise<URL> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const url = /inspector: open (\S+)/.exec(server.log())?.[1];
    if (url !== undefined) return new URL(url);
    signal?.throwIfAborted();
    if (server.exitCode !== null || performance.now() > deadline) {
      throw new Refusal(`the server has logged no inspector's URL:\n${server.log()}`);
    }
    await Bun.sleep(10);
  }
}
