// The display worker.

import { runActor } from "../runtime/run-actor.ts";
import { Display } from "./display.ts";
import { loadSinks } from "./sinks/registry.ts";

await runActor("display", async (context) => new Display(context, await loadSinks(context.config)));
