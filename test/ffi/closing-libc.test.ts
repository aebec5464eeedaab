// A thread's table of the C library, which the engine would keep when the thread ends: some 12 KiB each time an actor crashes.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { libc } from "../../src/ffi/libc.ts";

test("a thread gives its own back, and a call after that is an exception and no crash", async () => {
  const worker = new Worker(join(import.meta.dir, "../support/closing-thread.ts"));
  const { promise, resolve } = Promise.withResolvers<{ before: number; after: string }>();
  worker.onmessage = ({ data }) => resolve(data as { before: number; after: string });
  const { before, after } = await promise;
  expect([0, process.pid]).not.toContain(before);
  expect(after).toBe("a thread that has ended calls the C library");
  // That of another thread is another.
  expect(libc.gettid()).toBe(process.pid);
  worker.terminate();
});
