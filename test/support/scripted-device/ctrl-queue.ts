// The ctrl queue's worker with the scripted renderer: host blobs, on a host that has no driver for any.

import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { runActor } from "../../../src/actors/runtime/run-actor.ts";
import { ScriptedRenderer } from "../scripted-renderer.ts";

await runActor(
  "ctrl-queue",
  (context) => new CtrlQueue(context, (_config, _log, arena) => new ScriptedRenderer(arena)),
);
