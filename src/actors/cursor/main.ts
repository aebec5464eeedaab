// The cursor queue's worker.

import { runActor } from "../runtime/run-actor.ts";
import { CursorQueue } from "./cursor-queue.ts";

await runActor("cursor-queue", (context) => new CursorQueue(context));
