// The kinds of processes that there are, and what each keeps in its sandbox.

import type { ServerConfig } from "../../config.ts";
import type { CapabilityName } from "../../transport/os/sandbox/privileges.ts";
import type { Policy } from "../../transport/os/sandbox/filter.ts";
import type { Reach } from "../../transport/os/sandbox/landlock.ts";
import { type Call, reachOfRenderer, reachOfServer } from "./reach.ts";
import { rendererCalls } from "./renderer-calls.ts";
import { serverCalls } from "./server-calls.ts";

export interface ProcessKind {
  reach(config: ServerConfig, call: Call): Reach;
  /** Capabilities of root that its settings need. */
  kept(config: ServerConfig): readonly CapabilityName[];
  /** Once it is up. */
  calls(config: ServerConfig, startsPrograms: boolean): Policy;
}

export const kinds = {
  /** All of a server, or what of it is not a child. */
  server: {
    reach: reachOfServer,
    kept: ({ socketGroup }) => (socketGroup === undefined ? [] : ["CHOWN"]),
    calls: (config, startsPrograms) => serverCalls(config, startsPrograms),
  },
  /** A child that runs guests' commands. */
  renderer: {
    reach: reachOfRenderer,
    kept: () => [],
    calls: (_, startsPrograms) => rendererCalls(startsPrograms),
  },
} as const satisfies Record<string, ProcessKind>;
