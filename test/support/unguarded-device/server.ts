// The server without what keeps known streams from virglrenderer: those that it dies of reach it. All else is the real thing.

import { entries } from "../../../src/actors/registry.ts";
import { begin } from "../../../src/cli/begin.ts";

Object.assign(entries, { "ctrl-queue": () => new URL("./ctrl-queue.ts", import.meta.url) });
await begin("fencepost", () => import("../../../src/cli/serve.ts"));
