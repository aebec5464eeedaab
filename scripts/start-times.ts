// How long programs take to start, and what an idle server has in memory: medians of several runs, the first of which is left
// out.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const help = `Runs the executable, or another command, again and again, and says how long its starts take.

Usage: bun scripts/start-times.ts [--runs N] [COMMAND [ARGUMENT…]]

  --runs N   medians of so many (default 5)

COMMAND is build/fencepost (bun run build) unless it is given: bin/fencepost is the checkout's. It is measured with
--renderer software, without a front-end.`;

const { values, positionals } = readCommandLine(help, {
  allowPositionals: true,
  options: { runs: { type: "string", default: "5" } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) refuse(`--runs ${values.runs}: want a number from 1 on`);
const command = positionals.length > 0 ? positionals : ["build/fencepost"];
/** After which an idle server has given back what its start took. */
const idleMs = 3_000;

interface Start {
  listeningMs: number;
  cpuMs: number;
  idleMiB: number;
}

/** From the process's start to its end. */
function wholeMs(words: string): number {
  const from = performance.now();
  const line = [...command, ...words.split(" ")];
  const { success } = Bun.spawnSync(line, { stdio: ["ignore", "ignore", "inherit"] });
  if (!success) refuse(`${line.join(" ")} has failed`, 1);
  return performance.now() - from;
}

async function start(folder: string): Promise<Start> {
  const from = performance.now();
  const args = ["--socket-path", join(folder, "gpu.sock"), "--renderer", "software"];
  const child = Bun.spawn([...command, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.includes(" listens on ")) break;
  }
  const listeningMs = performance.now() - from;
  if (child.exitCode !== null) refuse(`${command.join(" ")} does not listen:\n${text}`, 1);
  const ticks = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]!.split(" ").slice(11, 13);
  await Bun.sleep(idleMs);
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))!;
  child.kill("SIGTERM");
  await child.exited;
  // The kernel counts time in hundredths of a second.
  return {
    listeningMs,
    cpuMs: ticks.reduce((sum, one) => sum + Number(one), 0) * 10,
    idleMiB: Number(kib) / 1024,
  };
}

function say(what: string, unit: string, samples: readonly number[]): void {
  const sorted = samples.slice(1).toSorted((a, b) => a - b);
  const [least, median, most] = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  const text = `${median.toFixed(0).padStart(6)} ${unit}`;
  console.log(`${what.padEnd(24)}${text}   (${least.toFixed(0)} to ${most.toFixed(0)})`);
}

const folder = mkdtempSync(join(tmpdir(), "fencepost-starts-"));
try {
  for (const words of ["--help", "serve --help", "--print-capabilities", "ctl --help", "replay --help"])
    say(
      words,
      "ms",
      Array.from({ length: runs + 1 }, () => wholeMs(words)),
    );
  const starts: Start[] = [];
  while (starts.length < runs + 1) starts.push(await start(folder));
  say(
    "listening",
    "ms",
    starts.map(({ listeningMs }) => listeningMs),
  );
  say(
    "processor until then",
    "ms",
    starts.map(({ cpuMs }) => cpuMs),
  );
  say(
    `memory ${idleMs / 1000} s later`,
    "MiB",
    starts.map(({ idleMiB }) => idleMiB),
  );
} finally {
  rmSync(folder, { recursive: true });
}
