// What a machine's end is told by, whatever it was: one sentence, and the reason by name. The set-up watches what is left behind.

import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GuestMemory } from "../../../lab/driver/guest-memory.ts";
import { Kvm } from "../../../lab/kvm/kvm.ts";
import { Machine, type MachineEnd, MachineEnded, type MachineOptions } from "../../../lab/kvm/machine.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { cString, libc } from "../../../src/ffi/libc.ts";
import { buildProgram, kvmTest } from "../../support/kvm.ts";
import { driverPatienceMs as patienceMs } from "../../support/patience.ts";

const screen = { width: 160, height: 96 };

beforeAll(buildProgram);

/** Boots a machine on a server of its own, lets `break_` have it once it draws, and returns how it ended. */
async function endOf(
  options: MachineOptions,
  breakIt: (machine: Machine, server: ServerProcess) => unknown = () => undefined,
): Promise<MachineEnd> {
  const server = await ServerProcess.start();
  try {
    const machine = Machine.boot(server.socketPath, { screen, patienceMs, ...options });
    try {
      machine.until(() => machine.control.frames > 0, "a guest that draws");
      await breakIt(machine, server);
      const end = machine.untilEnd();
      expect(() => machine.until(() => false, "more")).toThrow(MachineEnded);
      return end;
    } finally {
      machine.close();
    }
  } finally {
    await server.stop();
  }
}

kvmTest("a CPU that shuts down is told with its place", async () => {
  const { ending, sentence } = await endOf({ task: "TRIPLE_FAULT" });
  expect(ending).toBe("shutdown");
  expect(sentence).toMatch(/^the guest's CPU has shut down at 0x[0-9a-f]+, as after a triple fault$/);
});

kvmTest("rings that the guest writes over while they are read are told as broken", async () => {
  expect(await endOf({ task: "BROKEN_RINGS" })).toEqual({
    ending: "rings",
    sentence: "the guest has broken ring 0, and the device serves it no more",
  });
});

kvmTest("a device whose process is killed is told as gone", async () => {
  const end = await endOf({}, (_, server) => process.kill(server.pid, "SIGKILL"));
  expect(end).toMatchObject({ ending: "device", sentence: expect.stringContaining("hung up") });
});

kvmTest("memory that the device has been given cannot be made shorter", async () => {
  await endOf({ count: 2 }, (machine) => {
    expect(libc.ftruncate(machine.memoryFd, 0)).toBe(-1);
  });
});

kvmTest("memory of a kind that can be made shorter under the guest is told as gone", async () => {
  const size = 16 * 2 ** 20;
  const unsealable = libc.memfd_create(cString("unsealable"), 0);
  libc.ftruncate(unsealable, size);
  const memory = new GuestMemory([{ guestAddress: 0, size, fd: unsealable }]);
  const end = await endOf({ memory }, (machine) => {
    machine.control.framesMax = 0;
    machine.until(() => machine.control.isHeld, "a guest that is held");
    libc.ftruncate(unsealable, 0);
    machine.control.framesMax = 0x7fff_ffff;
  });
  expect(end).toEqual({
    ending: "memory",
    sentence: `the guest's memory was made shorter, from ${size} bytes to 0`,
  });
});

kvmTest("a guest that does not expect an answer says where", async () => {
  // A screen that the device has no mode for.
  const end = await endOf({ screen: { width: 0, height: 0 } }).catch((error: Error) => error);
  expect(end).toBeInstanceOf(MachineEnded);
  expect((end as Error).message).toMatch(/^the guest's program gave up: gpu\.c line \d+ did not expect 0x0$/);
});

kvmTest("rings where there is no memory are refused, and the device says that it needs a reset", async () => {
  const end = await endOf({ task: "MISSING_RINGS" }).catch((error: Error) => error);
  expect((end as Error).message).toMatch(/: virtio\.c line \d+ did not expect 0x4f$/);
});

kvmTest("a guest that never ends is ended", async () => {
  const server = await ServerProcess.start();
  const machine = Machine.boot(server.socketPath, { screen, patienceMs });
  machine.until(() => machine.control.frames > 0, "a guest that draws");
  machine.close();
  expect(machine.end).toEqual({ ending: "stopped", sentence: "the machine was stopped" });
  expect(await server.stop()).toBe(0);
});

describe("a host that lends no processor is told what it lacks", () => {
  test("no module", () => {
    expect(() => Kvm.open("/nowhere/kvm")).toThrow("/nowhere/kvm is not there: load the module kvm_intel");
  });

  test("something else at its place", () => {
    const folder = mkdtempSync(join(tmpdir(), "fencepost-kvm-"));
    const path = join(folder, "kvm");
    writeFileSync(path, "");
    expect(() => Kvm.open(path)).toThrow("asking for KVM's version: KVM_GET_API_VERSION failed with ENOTTY");
    rmSync(folder, { recursive: true });
  });

  test.skipIf(process.getuid!() !== 0)("no right to it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fencepost-kvm-"));
    chmodSync(folder, 0o755);
    const path = join(folder, "kvm");
    writeFileSync(path, "", { mode: 0o600 });
    const kvm = join(import.meta.dir, "../../../lab/kvm/kvm.ts");
    const script = `process.setgid(65534); process.setuid(65534);
      try { (await import("${kvm}")).Kvm.open("${path}"); } catch (error) { console.log(error.message); }`;
    const run = Bun.spawnSync([process.execPath, "-e", script]);
    expect(run.stdout.toString()).toContain("join the group that owns it (usermod -aG kvm USER");
    rmSync(folder, { recursive: true });
  });
});
