// The inspector's worker. Whoever looks must not take a processor from what is looked at.

import { lowerPriority } from "../../transport/os/priority.ts";
import { runInEventLoop } from "../runtime/run-in-event-loop.ts";
import { Inspector } from "./inspector.ts";

lowerPriority();
await runInEventLoop("inspector", (context) => new Inspector(context));
