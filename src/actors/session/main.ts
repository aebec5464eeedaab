// The vhost session's worker.

import { runActor } from "../runtime/actor.ts";
import { VhostSession } from "./vhost-session.ts";

await runActor("vhost-session", (context) => new VhostSession(context));
