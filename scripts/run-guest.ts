// Boots a test guest by hand and hands it the commands typed here. See docs/guests.md.

import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { kernels, logsPath, missingParts, roots } from "../lab/qemu/cache.ts";
import { ask } from "../src/cli/control-client.ts";
import { scanoutsMax } from "../src/transport/wire/virtio-gpu/protocol.ts";
import { desktopCommands } from "../lab/qemu/desktop.ts";
import { QemuGuest } from "../lab/qemu/qemu-guest.ts";
import type { Gpu } from "../lab/qemu/qemu-args.ts";
import { writeWhole } from "../src/transport/os/files.ts";
import { encodePng } from "../src/picture/png.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const listed = (names: readonly string[]): string => `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;

const help = `Boots a test guest and hands it the commands typed here: docs/guests.md lists them.

Usage: bun scripts/run-guest.ts [flags]

  --kernel NAME     ${listed(kernels)} (default: 6.12)
  --root NAME       ${listed(roots)} (default: busybox)
  --socket PATH     the server's (default: none, the guest has QEMU's own device)
  --generic         by the generic vhost-user device of QEMU 11.1, whose outputs and pictures are the server's
  --desktop         with a desktop, behind the generic device and on the root vulkan
  --outputs N       of another device, 1 to ${scanoutsMax} (default: 2)
  --log DIRECTORY   what QEMU and the guest say (default: .cache/logs/by-hand)
  -h, --help        this text

Exit codes: 0 the guest has ended, 1 it did not come up, 2 a mistake in the command line.`;

/** Long enough for QEMU to take what the guest has just set. */
const settleMs = 500;
const exitFailed = 1;
/** Long enough for whatever is run by hand. */
const commandTimeoutMs = 3_600_000;

const { values } = readCommandLine(help, {
  options: {
    kernel: { type: "string", default: "6.12" },
    root: { type: "string" },
    socket: { type: "string" },
    generic: { type: "boolean", default: false },
    desktop: { type: "boolean", default: false },
    outputs: { type: "string", default: "2" },
    log: { type: "string", default: join(logsPath, "by-hand") },
  },
});

const kernel = kernels.find((name) => name === values.kernel);
if (kernel === undefined) refuse(`there is no kernel ${values.kernel}, only ${kernels.join(" and ")}`);
const rootName = values.root ?? (values.desktop ? "vulkan" : "busybox");
const root = roots.find((name) => name === rootName);
if (root === undefined) refuse(`there is no root ${rootName}, only ${roots.join(" and ")}`);
const outputs = Number(values.outputs);
if (!/^\d+$/.test(values.outputs) || outputs < 1 || outputs > scanoutsMax) {
  refuse(`--outputs wants 1 to ${scanoutsMax}`);
}
if (values.socket !== undefined && !statSync(values.socket, { throwIfNoEntry: false })?.isSocket()) {
  refuse(`there is no server's socket at ${values.socket}`);
}
const isGeneric = values.generic || values.desktop;
if (isGeneric && values.socket === undefined) refuse("--generic and --desktop want the server's --socket");
const missing = missingParts();
if (missing.length > 0) refuse(`${missing.join(", ")} is missing: run ./setup.sh`, exitFailed);

const gpu = gpuFor(values.socket);

console.log(`booting Linux ${kernel}, which takes some seconds; logs are in ${values.log}`);
const guest = await QemuGuest.boot({ kernel, root, gpu }, values.log).catch((error: Error) =>
  // Whatever it is, the person who asked is told, and by QEMU's own words.
  refuse(error.message, exitFailed),
);
console.log(`Linux ${kernel} is up on ${values.socket ?? "QEMU's own device"}`);
try {
  for (const line of values.desktop ? desktopCommands : []) await serve(line);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "quit") break;
    if (line.trim() !== "") await serve(line.trim());
  }
} finally {
  await guest.stop();
}

function gpuFor(socketPath: string | undefined): Gpu {
  if (socketPath === undefined) return { kind: "in-process", outputs };
  return isGeneric ? { kind: "generic", socketPath } : { kind: "vhost-user", socketPath, outputs };
}

async function serve(line: string): Promise<void> {
  const [name, head, path] = line.split(/\s+/);
  try {
    if (name === "screendump" && path !== undefined) await screendump(Number(head), path);
    else if (name === "reboot") await guest.reboot();
    else for (const data of await guest.run(line, commandTimeoutMs)) console.log(data);
    console.log("ok");
  } catch (error) {
    // A command's failure is its answer.
    console.log((error as Error).message);
  }
}

async function screendump(head: number, path: string): Promise<void> {
  await Bun.sleep(settleMs);
  if (gpu.kind === "generic") {
    // QEMU knows of no picture there.
    await ask(`${gpu.socketPath}.ctl`, { command: "screenshot", scanout: head, path: resolve(path) });
    return;
  }
  const { width, height, pixels } = await guest.screendump(head);
  await writeWhole(path, await encodePng(new Uint8Array(pixels.buffer), width, height));
}
