// The vhost session's worker.

import { gpuDevice } from "../gpu/device-type.ts";
import { runActor } from "../runtime/run-actor.ts";
import { VhostSession } from "./vhost-session.ts";

await runActor("vhost-session", (context) => new VhostSession(context, gpuDevice));
