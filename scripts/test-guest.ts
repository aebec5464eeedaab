// Runs Fencepost's own tests of storage and of the resource bridge inside of Debian guests, which have what this machine
// may lack: DRM nodes and udmabuf. See docs/guests.md.

import { basename, dirname, join } from "node:path";
import { type Kernel, logsPath, missingParts } from "../lab/qemu/cache.ts";
import { QemuGuest } from "../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

interface Configuration {
  name: string;
  /** What the tests' servers are told; the guest's shell expands it. */
  env: string;
  /** Whether its node renders: tests of 3D run too. */
  has3d: boolean;
  /** More files of tests. */
  extra?: readonly string[];
}

interface Boot {
  kernel: Kernel;
  /** Whether the guest's GPU is a Fencepost with virgl, or else QEMU's own, which has no 3D. */
  isServed: boolean;
  configurations: readonly Configuration[];
}

const tests = [
  "test/actors/gpu/storage.test.ts",
  "test/actors/gpu/storage-limits.test.ts",
  "test/actors/gpu/exports.test.ts",
  "test/device/bridge.test.ts",
  "test/device/limits.test.ts",
];
/** Not about storage, or a matter of many processes, which take a second each to start there. */
const leftOut = ["at the start", "the client", "killed"];

/** vgem's render node makes no buffers; its card node does. */
const vgem =
  "FENCEPOST_STORAGE=gbm FENCEPOST_RENDER_NODE=/dev/dri/$(basename /sys/devices/platform/vgem/drm/card*)";

const boots: readonly Boot[] = [
  {
    kernel: "6.12",
    isServed: true,
    configurations: [
      { name: "6.12 vgem", env: vgem, has3d: false },
      { name: "6.12 udmabuf", env: "FENCEPOST_STORAGE=udmabuf", has3d: false },
      {
        name: "6.12 virtio_gpu",
        env: "FENCEPOST_STORAGE=gbm FENCEPOST_RENDER_NODE=/dev/dri/renderD128",
        has3d: true,
        extra: ["test/in-guest/choice.ts"],
      },
    ],
  },
  {
    kernel: "6.1",
    isServed: false,
    configurations: [{ name: "6.1 vgem", env: vgem, has3d: false, extra: ["test/in-guest/choice.ts"] }],
  },
];

const checkout = join(import.meta.dir, "..");
const mounts = { checkout, bun: dirname(process.execPath) };
/** Bun runs many times slower than on the host, where the CPU is emulated. */
const testTimeoutMs = 120_000;
const runTimeoutMs = 600_000;
const commandTimeoutMs = 60_000;

interface Outcome {
  name: string;
  passed: number;
  failed: number;
  seconds: number;
}

const names = boots.flatMap(({ configurations }) => configurations.map(({ name }) => name));
const help = `Runs tests of storage, of the resource bridge and of the limits inside of test guests: see docs/guests.md.

Usage: bun run test:guest [CONFIGURATION]...

Configurations (default: all): ${names.map((name) => `"${name}"`).join(", ")}

Exit codes: 0 all tests pass, 1 some fail, 2 a mistake in the command line.`;

const { positionals: wanted } = readCommandLine(help, { allowPositionals: true });
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  refuse(`there is no configuration "${unknown.join('", "')}", only "${names.join('", "')}"`);
}
const missing = missingParts();
if (missing.length > 0) refuse(`${missing.join(", ")} is missing: run ./setup.sh`, 1);
const chosen = boots
  .map(({ configurations, ...boot }) => ({
    ...boot,
    configurations: configurations.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
  }))
  .filter(({ configurations }) => configurations.length > 0);
// Side by side: each spends much of its time on one thread.
report((await Promise.all(chosen.map(runBoot))).flat());

async function runBoot(boot: Boot): Promise<Outcome[]> {
  const logDirectory = join(logsPath, `${boot.kernel}-own-tests`);
  let server: ServerProcess | null = null;
  let guest: QemuGuest | null = null;
  try {
    if (boot.isServed) server = await ServerProcess.start({ args: ["--renderer", "virgl"] });
    guest = await bootGuest(boot.kernel, server, logDirectory);
    const results: Outcome[] = [];
    for (const configuration of boot.configurations) results.push(await runTests(guest, configuration));
    return results;
  } catch (error) {
    // A guest's failure is a row of the report, and the other guests go on.
    console.error((error as Error).message);
    return boot.configurations.map(({ name }) => ({ name, passed: 0, failed: 1, seconds: 0 }));
  } finally {
    await guest?.stop();
    if (server !== null) {
      await Bun.write(join(logDirectory, "server.txt"), server.log());
      await server.stop();
    }
  }
}

async function bootGuest(
  kernel: Kernel,
  server: ServerProcess | null,
  logDirectory: string,
): Promise<QemuGuest> {
  const gpu =
    server === null
      ? ({ kind: "in-process", outputs: 1 } as const)
      : ({ kind: "vhost-user", socketPath: server.socketPath, outputs: 1 } as const);
  const extraArgs = Object.entries(mounts).flatMap(([tag, path]) => [
    ...["-fsdev", `local,id=${tag},path=${path},security_model=none,readonly=on`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ]);
  const guest = await QemuGuest.boot({ kernel, root: "debian", memory: "2G", gpu, extraArgs }, logDirectory);
  await guest.run("sh modprobe -a 9p 9pnet_virtio vgem", commandTimeoutMs);
  for (const tag of Object.keys(mounts)) {
    // Nothing changes there meanwhile, so what was read once is not asked for again.
    const options = "trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000";
    const mount = `mkdir -p /run/${tag} && mount -t 9p -o ${options} ${tag} /run/${tag}`;
    await guest.run(`sh ${mount}`, commandTimeoutMs);
  }
  return guest;
}

async function runTests(guest: QemuGuest, { name, env, has3d, extra = [] }: Configuration): Promise<Outcome> {
  const bun = `/run/bun/${basename(process.execPath)}`;
  const filter = `-t '^(?!.*(${[...leftOut, ...(has3d ? [] : ["draws in 3D"])].join("|")}))'`;
  const files = [...tests, ...extra].map((path) => `./${path}`).join(" ");
  const given = `CI=true FENCEPOST_CHECK_MESSAGES=0 FENCEPOST_TEST_PATIENCE_MS=${testTimeoutMs} ${env}`;
  const command = `${given} ${bun} test --timeout ${testTimeoutMs} ${filter} ${files} 2>&1`;
  const counts = { pass: 0, fail: 0, skip: 0 };
  const started = performance.now();
  let error = "";
  try {
    await guest.run(`sh cd /run/checkout && ${command}`, runTimeoutMs, (line) => {
      console.log(`${name} | ${line}`);
      const count = /^ *(\d+) (pass|fail|skip)$/.exec(line);
      if (count !== null) counts[count[2] as keyof typeof counts] = Number(count[1]);
    });
  } catch (failure) {
    // The tests' own lines are known already.
    error =
      (failure as Error).message.split("\n").find((line) => line.startsWith("guest: ")) ?? String(failure);
  }
  const seconds = (performance.now() - started) / 1000;
  if (error !== "") console.log(`${name} | ${error}`);
  // Nothing may be left out here: what a test wants, the guest has.
  const failed = Math.max(counts.fail + counts.skip, error !== "" || counts.pass === 0 ? 1 : 0);
  return { name, passed: counts.pass, failed, seconds };
}

function report(all: readonly Outcome[]): void {
  const sum = (key: "passed" | "failed"): number => all.reduce((total, each) => total + each[key], 0);
  console.log("");
  for (const { name, passed, failed, seconds } of all) {
    console.log(`Linux ${name}: ${passed} passed, ${failed} failed (${Math.round(seconds)} s)`);
  }
  // As `bun test` ends.
  console.log(`\n ${sum("passed")} pass\n ${sum("failed")} fail`);
  process.exitCode = all.length > 0 && sum("failed") === 0 ? 0 : 1;
}
