// The recorder's worker.

import { runActor } from "../runtime/run-actor.ts";
import { Recorder } from "./recorder.ts";

await runActor("recorder", (context) => new Recorder(context));
