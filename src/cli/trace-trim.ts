// `bun run trace-trim`.

import { begin } from "./begin.ts";

await begin("trace-trim", () => import("./trim-recording.ts"));
