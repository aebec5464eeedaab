// The display worker.

import { runActor } from "../runtime/actor.ts";
import { Display } from "./display.ts";

await runActor("display", (context) => new Display(context));
