// The settings of what a server may reach of its host, should somebody else run code in it.

import { integer, oneOf, Paths } from "./config-values.ts";

const foldersMax = 16;

export const containment = {
  sandbox: {
    group: "Operation",
    value: "KIND",
    help: "give up what it has no need of: auto, what the host lets it; on; or off",
    kind: oneOf(["auto", "on", "off"]).default("auto"),
  },
  writeBelow: {
    group: "Operation",
    value: "FOLDER",
    repeats: true,
    path: true,
    help: "let ctl have files written below this folder, too; may be given more than once",
    kind: Paths(foldersMax).default([]),
  },
  stallMs: {
    group: "Operation",
    value: "MS",
    help: "how long an isolated process may be in one call: then another takes over",
    kind: integer(1_000, 3_600_000).default(30_000),
  },
} as const;
