// The inspector's worker.

import { runInEventLoop } from "../runtime/run-in-event-loop.ts";
import { Inspector } from "./inspector.ts";

await runInEventLoop("inspector", (context) => new Inspector(context));
