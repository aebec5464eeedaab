// `bun run trace-info`.

import { begin } from "./begin.ts";

await begin("trace-info", () => import("./describe-recording.ts"));
