// What the guest holds of the server, by the server's own counters.

import { until } from "../../../lab/qemu/deadline.ts";
import type { ServerProcess } from "../../../lab/vmm/server-process.ts";

const timeoutMs = 20_000;

export interface RendererUse {
  resources: number;
  storageBytes: number;
  contexts: number;
  fencesPending: number;
}

export const nothingUsed: RendererUse = { resources: 0, storageBytes: 0, contexts: 0, fencesPending: 0 };

/** The ctrl queue's counters. */
export async function ctrlCounters(server: ServerProcess): Promise<Record<string, number>> {
  const { actors } = (await server.control({ command: "status" })) as unknown as {
    actors: Record<string, { counters: Record<string, number> }>;
  };
  return actors["ctrl-queue"]!.counters;
}

async function rendererUse(server: ServerProcess): Promise<RendererUse> {
  const { resources, storageBytes, contexts, fencesPending } = await ctrlCounters(server);
  return { resources, storageBytes, contexts, fencesPending } as RendererUse;
}

/** What the guest holds once it holds something, and no more comes for a second. */
export async function steadyRendererUse(server: ServerProcess): Promise<RendererUse> {
  let last = nothingUsed;
  let since = performance.now();
  return until(
    "the guest to hold something, and no more",
    async () => {
      const use = await rendererUse(server);
      if (!Bun.deepEquals(use, last)) since = performance.now();
      last = use;
      return use.resources > 0 && performance.now() - since > 1000 ? use : undefined;
    },
    timeoutMs,
  );
}

/** Waits until the guest holds exactly `expected`: its driver frees some of it later than the program's end. */
export async function waitForRendererUse(server: ServerProcess, expected: RendererUse): Promise<void> {
  let last: RendererUse | undefined;
  const reached = async (): Promise<true | undefined> => {
    last = await rendererUse(server);
    return Bun.deepEquals(last, expected) || undefined;
  };
  await until(`the guest to hold ${JSON.stringify(expected)}`, reached, timeoutMs).catch((error: Error) => {
    throw new Error(`${error.message}; it holds ${JSON.stringify(last)}`);
  });
}
