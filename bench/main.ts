// `bun bench`: what the parts of the hot path cost, measured with mitata.

import { parseArgs } from "node:util";
import { run } from "mitata";
import "./micro/ring.ts";
import "./micro/lifecycle.ts";
import "./micro/memory.ts";
import "./micro/mailbox.ts";

const help = `bun bench [--filter REGEX] [--json FILE]

Micro benchmarks of the hot path, in this process.

  --filter REGEX   only those whose name matches
  --json FILE      write the results as JSON too
  --help           this text

Absolute times on a shared machine mean little: compare within one run.`;

const { values } = parseArgs({
  options: {
    filter: { type: "string", default: "." },
    json: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) console.log(help);
else {
  const results = await run({ filter: new RegExp(values.filter), format: { mitata: { name: "longest" } } });
  if (values.json !== undefined) await Bun.write(values.json, JSON.stringify(results.benchmarks, null, 2));
}
