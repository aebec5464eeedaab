// `bun run replay`.

import { main } from "./play.ts";

process.exit(await main(process.argv.slice(2), process.cwd(), (program) => `bun run ${program}`));
