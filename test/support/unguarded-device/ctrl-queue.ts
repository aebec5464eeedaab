// The ctrl queue's worker, whose renderer is given every stream.

import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { StreamGuard } from "../../../src/actors/gpu/renderer/virgl/stream-guard.ts";
import { runActor } from "../../../src/actors/runtime/run-actor.ts";

StreamGuard.prototype.check = () => 0;

await runActor("ctrl-queue", (context) => new CtrlQueue(context));
