// The kinds of processes that there are, and what each keeps in its sandbox.

import type { ServerConfig } from "../../config.ts";
import type { CapabilityName } from "../../transport/os/sandbox/privileges.ts";
import type { Policy } from "../../transport/os/sandbox/filter.ts";
import type { Reach } from "../../transport/os/sandbox/landlock.ts";
import { reachOfRenderer, reachOfServer } from "./reach.ts";
import { rendererCalls } from "./renderer-calls.ts";
import { serverCalls } from "./server-calls.ts";

/** How a process was called. */
export interface Call {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What it was given beyond the first three. */
  readonly descriptors: readonly number[];
  /** Goes back to where it was started. */
  goBack(): void;
}

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
    reach: (config, { directory, environment }) => reachOfServer(config, directory, environment),
    kept: ({ socketGroup }) => (socketGroup === undefined ? [] : ["CHOWN"]),
    calls: (config, startsPrograms) => serverCalls(config, startsPrograms),
  },
  /** A child that runs guests' commands. */
  renderer: {
    reach: (config, { environment }) => reachOfRenderer(config, environment),
    kept: () => [],
    calls: (_, startsPrograms) => rendererCalls(startsPrograms),
  },
} as const satisfies Record<string, ProcessKind>;
