// A compositor's screen is offered to a guest on KVM by the config space: its driver is interrupted, and clears what it has read.

import { afterEach, beforeAll, expect } from "bun:test";
import { Machine } from "../../../lab/kvm/machine.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { ConfigSpace } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { buildProgram, kvmTest } from "../../support/kvm.ts";
import { driverPatienceMs as patienceMs } from "../../support/patience.ts";
import { Weston } from "../../support/wayland/weston.ts";

/** Ends what the test has started, the last first. */
const ends: (() => unknown)[] = [];

beforeAll(buildProgram);
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

for (const trigger of ["edge", "level"] as const) {
  kvmTest(`a change of the config space is one interrupt of the guest, by ${trigger}`, async () => {
    const weston = new Weston({ width: 800, height: 600, shell: "kiosk", hasSeat: true });
    ends.push(() => weston.end());
    await weston.start();
    const server = await ServerProcess.start({ args: [`--wayland=${weston.path}`] });
    ends.push(() => server.stop());
    // Of the size that the server has without a VMM's display.
    const screen = { width: 1280, height: 800 };
    const machine = Machine.boot(server.socketPath, { screen, display: null, trigger, patienceMs });
    ends.push(() => machine.close());

    machine.until(() => machine.control.frames > 1, "a guest that draws");
    const { control, report } = machine;
    while (report.configChanges === 0 && machine.end === null) machine.serve(20);
    const config = new DataView(control.buffer, control.config.byteOffset, control.config.length);
    machine.until(() => config.getUint32(ConfigSpace.eventsRead, true) === 0, "events that were cleared");
    const { frames } = control;
    machine.until(() => control.frames > frames + 1, "a guest that draws on");
    expect(report.configChanges).toBe(1);
    expect(control.configGeneration).toBeGreaterThanOrEqual(2);
  });
}
