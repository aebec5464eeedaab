// The resource bridge's worker.

import { runActor } from "../runtime/run-actor.ts";
import { ResourceBridge } from "./resource-bridge.ts";

await runActor("resource-bridge", (context) => new ResourceBridge(context));
