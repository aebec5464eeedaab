// Boots a test guest by hand and hands it the commands typed here. See docs/guests.md.
//
//   bun scripts/run-guest.ts [--kernel 6.1|6.12] [--root busybox|debian] [--socket PATH] [--outputs N] [--log DIRECTORY]

import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { kernels, logsPath, missingParts, roots } from "../lab/qemu/cache.ts";
import { QemuGuest } from "../lab/qemu/qemu-guest.ts";
import type { Gpu } from "../lab/qemu/qemu-args.ts";
import { encodePng } from "../src/picture/png.ts";

/** Long enough for QEMU to take what the guest has just set. */
const settleMs = 500;
/** Long enough for whatever is run by hand. */
const commandTimeoutMs = 3_600_000;

const { values } = parseArgs({
  options: {
    kernel: { type: "string", default: "6.12" },
    root: { type: "string", default: "busybox" },
    socket: { type: "string" },
    outputs: { type: "string", default: "2" },
    log: { type: "string", default: join(logsPath, "by-hand") },
  },
});

const kernel = kernels.find((name) => name === values.kernel);
if (kernel === undefined) fail(`there is no kernel ${values.kernel}, only ${kernels.join(" and ")}`);
const root = roots.find((name) => name === values.root);
if (root === undefined) fail(`there is no root ${values.root}, only ${roots.join(" and ")}`);
const missing = missingParts();
if (missing.length > 0) fail(`missing: ${missing.join(", ")}; run ./setup.sh`);

const outputs = Number(values.outputs);
const gpu: Gpu =
  values.socket === undefined
    ? { kind: "in-process", outputs }
    : { kind: "vhost-user", socketPath: values.socket, outputs };

const guest = await QemuGuest.boot({ kernel, root, gpu }, values.log);
console.log(`Linux ${kernel} is up on ${values.socket ?? "QEMU's own device"}; logs are in ${values.log}`);
try {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "quit") break;
    if (line.trim() !== "") await serve(line.trim());
  }
} finally {
  await guest.stop();
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
  const { width, height, pixels } = await guest.screendump(head);
  await Bun.write(path, await encodePng(new Uint8Array(pixels.buffer), width, height));
}

function fail(message: string): never {
  console.error(`run-guest: ${message}`);
  process.exit(2);
}
