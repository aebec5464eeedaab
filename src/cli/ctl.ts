// `bun run ctl`.

import { begin } from "./begin.ts";

await begin("ctl", () => import("./control.ts"));
