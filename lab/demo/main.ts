// `bun run demo`.

import { main } from "./demo.ts";

process.exit(await main(process.argv.slice(2), process.cwd(), (program) => `bun run ${program}`));
