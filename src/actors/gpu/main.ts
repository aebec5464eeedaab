// The ctrl queue's worker.

import { runActor } from "../runtime/run-actor.ts";
import { CtrlQueue } from "./ctrl-queue.ts";

await runActor("ctrl-queue", (context) => new CtrlQueue(context));
