// `bun run bridge-client`.

import { begin } from "./begin.ts";

await begin("bridge-client", () => import("./borrow.ts"));
