// `bun run demo --kvm` where it cannot go on: without the program of its guest, stopped early, without its server.

import { beforeAll, expect, spyOn } from "bun:test";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bound } from "../../../lab/bound-child.ts";
import { playInKvm } from "../../../lab/demo/kvm-scene.ts";
import { parseDemoOptions } from "../../../lab/demo/options.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { buildProgram, kvmTest } from "../../support/kvm.ts";

const demo = join(import.meta.dir, "../../../lab/demo/main.ts");

beforeAll(buildProgram);

kvmTest("a demo on KVM that was never built its program says so, and starts no server", async () => {
  const root = join(import.meta.dir, "../../..");
  const copy = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  for (const part of ["lab", "src", "package.json"])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const command = [process.execPath, join(copy, "lab/demo/main.ts"), "--kvm", "--output", `${copy}/a.png`];
  const run = Bun.spawn(bound(command), { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([run.stdout.text(), run.stderr.text()]);
  expect({ code: await run.exited, output, errors }).toEqual({
    code: 1,
    output: "",
    errors:
      "The demo failed: .cache/kvm/guest.bin is missing: run scripts/build-kvm-guest.sh, or ./setup.sh\n",
  });
  rmSync(copy, { recursive: true });
});

kvmTest("a demo on KVM that is stopped before its guest has drawn does not say that it drew", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  const options = parseDemoOptions(["--kvm", "--output", join(directory, "last.png")]);
  const server = await ServerProcess.start();
  const said = spyOn(console, "log").mockImplementation(() => undefined);
  const stopped = (): boolean => true;
  try {
    await playInKvm(server, options, stopped, () => undefined);
    // On a machine so busy that the guest was faster it did draw, by commands.
    expect(said.mock.calls.flat().join("\n")).not.toContain("commands   0,");
  } finally {
    said.mockRestore();
    await server.stop();
    rmSync(directory, { recursive: true });
  }
});

kvmTest("a demo on KVM whose server is killed ends with one line and code 1", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  const command = [process.execPath, demo, "--kvm", "--seconds", "600", "--output", `${directory}/a.png`];
  const run = Bun.spawn(bound(command), { stdout: "pipe", stderr: "pipe" });
  let text = "";
  for await (const bytes of run.stdout) {
    text += new TextDecoder().decode(bytes);
    const pid = /pid (\d+)\)[^]*first frame/.exec(text)?.[1];
    if (pid !== undefined && !text.includes("ended")) process.kill(Number(pid), "SIGKILL");
  }
  const errors = await new Response(run.stderr).text();
  expect({ code: await run.exited, errors }).toEqual({
    code: 1,
    errors:
      "The demo failed: the device has hung up: its process has ended, or it refused what the guest did\n",
  });
  rmSync(directory, { recursive: true });
});
