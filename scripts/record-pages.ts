// Records which pages a real guest's buffers lie in, for `bun bench`: addresses only.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePages, type Recording } from "../bench/system/pages/page-list.ts";
import type { GuestRange } from "../lab/driver/guest-memory.ts";
import { kernels, logsPath, missingParts } from "../lab/qemu/cache.ts";
import { QemuGuest } from "../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const output = join(import.meta.dir, "../bench/system/pages/recorded.json");
const help = `Boots a guest of 3 GiB, with memory below and above the PCI hole, on a virgl server; has it make buffers, first when it is
fresh, then when its free memory is in single pages; and writes the pages of these to
bench/system/pages/recorded.json. Takes two minutes and 4 GB of memory.

Usage: bun scripts/record-pages.ts [flags]

  --kernel NAME     ${kernels.join(" or ")} (default: 6.12)
  -h, --help        this text

Exit codes: 0 done, 1 the guest did not come up, 2 a mistake in the command line.`;

const { values } = readCommandLine(help, { options: { kernel: { type: "string", default: "6.12" } } });
const kernel = kernels.find((name) => name === values.kernel);
if (kernel === undefined) refuse(`there is no kernel ${values.kernel}, only ${kernels.join(" and ")}`);
const missing = missingParts();
if (missing.length > 0) refuse(`${missing.join(", ")} is missing: run ./setup.sh`, 1);

const gib = 2 ** 30;
/** Where QEMU's q35 puts 3 GiB. */
const regions = [
  { guestAddress: 0, size: 2 * gib },
  { guestAddress: 4 * gib, size: gib },
];
/** A command of the guest, and the bytes that the buffer which it makes has at least. */
const steps: Record<string, [command: string, bytes: number]> = {
  cursor: ["cursor 0 10 10 0 0 3", 64 * 64 * 4],
  "1280x800": ["pattern 0 1280 800 1", 1280 * 800 * 4],
  "1080p": ["pattern 0 1920 1080 1", 1920 * 1080 * 4],
  "4k": ["pattern 0 3840 2160 1", 3840 * 2160 * 4],
  "4096x4096": ["pattern 0 4096 4096 1", 4096 * 4096 * 4],
};
const horse = "sh glmark2-es2-drm --off-screen -b build:use-vbo=true:duration=2 2>&1 | grep FPS";
/** Three files in turns of a page, of which the middle one goes: what is free then are single pages, in both regions. */
const fragment =
  "sh mkdir -p /tmp/full && mount -t tmpfs -o size=95% tmpfs /tmp/full && cd /tmp/full && " +
  `(head -c ${850 * 2 ** 20} /dev/zero | tee a b >c); rm b; grep MemFree /proc/meminfo; cat /proc/buddyinfo`;
/** On other outputs, for what was left in one piece: the driver's pages are of another kind than a file's, and go there first. */
const fill = [1, 2, 3].map((head) => `pattern ${head} 4096 4096 1`);
const stepTimeoutMs = 180_000;

const directory = mkdtempSync(join(tmpdir(), "fencepost-pages-"));
const file = join(directory, "backings");
await Bun.write(file, "");
let seen = 0;

const server = await ServerProcess.start({
  command: [
    process.execPath,
    "--preload",
    join(import.meta.dir, "../bench/system/pages/record-backings.ts"),
    join(import.meta.dir, "../src/cli/server.ts"),
  ],
  args: ["--renderer", "virgl"],
  env: { BACKINGS_FILE: file },
});
const gpu = { kind: "vhost-user", socketPath: server.socketPath, outputs: 4 } as const;
const options = { kernel, root: "debian", gpu, memory: "3G" } as const;
const guest = await QemuGuest.boot(options, `${logsPath}/pages`);
try {
  const buffers = { ...(await record("fresh")), ...(await fragmented()) };
  const about = `Linux ${kernel}, 3 GiB, ${new Date().toISOString().slice(0, 10)}, by scripts/record-pages.ts`;
  await Bun.write(output, `${JSON.stringify({ about, regions, buffers } satisfies Recording, null, 2)}\n`);
} finally {
  await guest.stop();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function fragmented(): Promise<Record<string, string>> {
  for (const line of await guest.run(fragment, stepTimeoutMs)) console.log(line);
  for (const command of fill) await guest.run(command, stepTimeoutMs);
  for (const line of await guest.run("sh cat /proc/buddyinfo")) console.log(line);
  news();
  return await record("fragmented");
}

async function record(state: string): Promise<Record<string, string>> {
  const buffers: Record<string, string> = {};
  for (const [name, [command, bytes]] of Object.entries(steps)) {
    await guest.run(command, stepTimeoutMs);
    const lists = news().filter((list) => bytesOf(list) >= bytes);
    const list = lists.find((one) => bytesOf(one) < 2 * bytes);
    if (list === undefined) throw new Error(`"${command}" attached nothing of ${bytes} bytes`);
    keep(`${state}/${name}`, list);
  }
  // What Mesa makes for a model: its pictures, depth and vertices.
  console.log(...(await guest.run(horse, stepTimeoutMs)));
  news()
    .toSorted((a, b) => bytesOf(b) - bytesOf(a))
    .slice(0, 3)
    .forEach((list, index) => keep(`${state}/3d-${index + 1}`, list));
  return buffers;

  function keep(name: string, list: GuestRange[]): void {
    buffers[name] = encodePages(list);
    console.log(`${name}: ${bytesOf(list)} bytes in ${list.length} entries`);
  }
}

/** What was attached since this was last asked. */
function news(): GuestRange[][] {
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  const lists = lines.slice(seen).map((line) => {
    const numbers = JSON.parse(line) as number[];
    return Array.from({ length: numbers.length / 2 }, (_, at) => ({
      address: numbers[at * 2]!,
      length: numbers[at * 2 + 1]!,
    }));
  });
  seen = lines.length;
  return lists;
}

function bytesOf(list: readonly GuestRange[]): number {
  return list.reduce((sum, { length }) => sum + length, 0);
}
