// Preloaded into a server, by scripts/record-pages.ts: writes down every list of entries that a guest attaches, one a line
// of BACKINGS_FILE, as addresses and lengths in turn. In a worker of the server it does so, in the main thread it gets there.

import { appendFileSync } from "node:fs";

const file = process.env["BACKINGS_FILE"]!;

if (Bun.isMainThread) {
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor(script: string | URL, options?: WorkerOptions) {
      super(script, { ...options, preload: [import.meta.path] } as WorkerOptions);
    }
  } as typeof Worker;
} else {
  const { Backing } = await import("../../../src/actors/gpu/renderer/backing.ts");
  const read = Backing.read.bind(Backing);
  Backing.read = (memory, words, offset, count) => {
    const entries: number[] = [];
    for (let at = offset / 4; at < offset / 4 + count * 4; at += 4)
      entries.push(words[at + 1]! * 2 ** 32 + words[at]!, words[at + 2]!);
    appendFileSync(file, `${JSON.stringify(entries)}\n`);
    return read(memory, words, offset, count);
  };
}
