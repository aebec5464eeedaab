// What a server and the processes of its actors hold, and whether that grows.

import { usageOf } from "../vmm/process-usage.ts";
import type { ServerProcess } from "../vmm/server-process.ts";

const mebibyte = 2 ** 20;
const calmLooks = 5;
const lookMs = 50;
const settleMs = 5_000;

/** Of the server's own process, and of those of its actors together. */
export interface Holdings {
  readonly serverMib: number;
  readonly childMib: number;
  readonly fds: number;
  readonly mappings: number;
  readonly shared: number;
}

/**
 * How much more than at the baseline is no growth. A heap is collected when its engine likes, a child is some seconds
 * old or some minutes; what is open and what is shared is exact but for what comes and goes.
 */
export const slack: Holdings = { serverMib: 64, childMib: 96, fds: 6, mappings: 150, shared: 12 };

export const unitOf: Readonly<Record<keyof Holdings, string>> = {
  serverMib: "MiB of the server's memory",
  childMib: "MiB of its child's memory",
  fds: "descriptors",
  mappings: "mappings",
  shared: "shared mappings",
};

export const kinds = Object.keys(slack) as (keyof Holdings)[];

function look(server: ServerProcess): Holdings {
  const [own, child] = [usageOf([server.pid]), usageOf(server.actorProcesses)];
  return {
    serverMib: own.residentBytes / mebibyte,
    childMib: child.residentBytes / mebibyte,
    fds: own.fds + child.fds,
    mappings: own.mappings + child.mappings,
    shared: own.sharedMappings + child.sharedMappings,
  };
}

/** What is held once nothing is on its way out any more: descriptors and mappings have stayed for a while. */
export async function holdingsOf(server: ServerProcess): Promise<Holdings> {
  let last = look(server);
  const deadline = performance.now() + settleMs;
  for (let calm = 0; calm < calmLooks && performance.now() < deadline; calm++) {
    await Bun.sleep(lookMs);
    const now = look(server);
    if (now.fds !== last.fds || now.shared !== last.shared) calm = 0;
    last = now;
  }
  return last;
}

/** Memory is what it was least of late, since a heap is a saw's edge: it grows until its engine collects. The rest is as it is now. */
export const settledOf = (recent: readonly Holdings[], now: Holdings): Holdings => ({
  ...now,
  serverMib: Math.min(now.serverMib, ...recent.map(({ serverMib }) => serverMib)),
  childMib: Math.min(now.childMib, ...recent.map(({ childMib }) => childMib)),
});

/** What has grown beyond its slack, in words; "" where nothing has. */
export const growth = (before: Holdings, now: Holdings): string =>
  kinds
    .filter((kind) => now[kind] > before[kind] + slack[kind])
    .map((kind) => `${Math.round(now[kind])} ${unitOf[kind]}, where ${Math.round(before[kind])} were`)
    .join("; ");
