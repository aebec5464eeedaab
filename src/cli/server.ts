// Fencepost's command line.

import { begin } from "./begin.ts";

await begin("fencepost", () => import("./serve.ts"));
