// The fence poller's worker.

import { runActor } from "../runtime/run-actor.ts";
import { FencePoller } from "./fence-poller.ts";

await runActor("fence-poller", (context) => new FencePoller(context));
