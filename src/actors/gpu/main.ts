// The ctrl queue's worker.

import { runActor } from "../runtime/actor.ts";
import { CtrlQueue } from "./ctrl-queue.ts";

await runActor("ctrl-queue", (context) => new CtrlQueue(context));
