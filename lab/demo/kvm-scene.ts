// The demo with a virtual machine of our own: a program on a CPU of KVM, whose kicks and interrupts are eventfds.

import { Address, deviceIrq } from "../kvm/layout.ts";
import { bzImagePath, initramfsPath } from "../qemu/cache.ts";
import { Machine, MachineEnded } from "../kvm/machine.ts";
import { Outsider } from "../vmm/outsider.ts";
import type { ServerProcess } from "../vmm/server-process.ts";
import type { DemoOptions } from "./options.ts";
import { saveScreen } from "./saved-screen.ts";

/** Signals are delivered only while the event loop turns. */
const sliceMs = 100;
const patienceMs = 60_000;
const kernel = "6.12";
/** No firmware has left tables of interrupts; the device is where our program finds it too. */
const commandLine =
  "earlyprintk=serial,ttyS0,115200,keep acpi=off noapic no_timer_check panic=-1 " +
  `virtio_mmio.device=4K@0x${Address.device.toString(16)}:${deviceIrq}`;

/** Has the guest draw until `seconds` are over or `stopped`, and saves its last frame. Throws a Refusal without KVM. */
export async function playInKvm(
  server: ServerProcess,
  { width, height, seconds, output, inspect }: DemoOptions,
  stopped: () => boolean,
  progress: (frame: number) => void,
): Promise<void> {
  const machine = Machine.boot(server.socketPath, { screen: { width, height }, patienceMs });
  const outsider = inspect ? new Outsider(server.controlPath, "vmm") : null;
  try {
    const { control, report } = machine;
    const turn = async (): Promise<void> => {
      machine.serve(sliceMs);
      outsider?.tell("running", countsOf(machine));
      if (machine.end !== null) throw new MachineEnded(machine.end);
      progress(control.frames);
      await Bun.sleep(0);
    };
    const booted = performance.now();
    while (control.frames === 0 && !stopped()) await turn();
    if (control.frames === 0) return;
    const from = performance.now();
    console.log(`guest      found the device and drew its first frame after ${Math.round(from - booted)} ms`);
    const first = control.frames;
    while (performance.now() - from < seconds * 1000 && !stopped()) await turn();
    const elapsed = (performance.now() - from) / 1000;
    // Held where it is, for a whole picture.
    control.framesMax = 0;
    const frames = control.frames - first;
    console.log(`frames     ${frames}, ${(frames / elapsed).toFixed(0)} a second`);
    const { commands, kicks, interrupts } = report;
    console.log(`commands   ${commands}, by ${kicks} kicks and ${interrupts} interrupts past the VMM`);
    const exits = `${control.exits("mmio")} for registers of the device, ${control.exits("io")} for ports`;
    console.log(`exits      ${exits}`);
    if (machine.display !== null) await saveScreen(machine.display, machine.pump, output);
  } finally {
    outsider?.close();
    machine.close();
  }
}

/** Boots Debian's kernel, whose console goes to standard output, until `seconds` are over or `stopped`. */
export async function bootLinux(
  server: ServerProcess,
  { seconds }: DemoOptions,
  stopped: () => boolean,
): Promise<void> {
  const linux = { image: bzImagePath(kernel), initramfs: initramfsPath(kernel), commandLine };
  const machine = Machine.boot(server.socketPath, { linux, patienceMs });
  try {
    const from = performance.now();
    while (performance.now() - from < seconds * 1000 && !stopped()) {
      machine.serve(sliceMs);
      if (machine.end !== null) throw new MachineEnded(machine.end);
      // Signals are delivered only while the event loop turns.
      await Bun.sleep(0);
    }
    console.log(
      `exits      ${machine.control.exits("io")} for ports, ${machine.control.exits("mmio")} for registers`,
    );
  } finally {
    machine.close();
  }
}

/** What the inspector shows of the machine. */
const countsOf = ({ control, report }: Machine): Record<string, number> => ({
  frames: control.frames,
  commands: report.commands,
  kicks: report.kicks,
  interrupts: report.interrupts,
  exitsForRegisters: control.exits("mmio"),
  exitsForPorts: control.exits("io"),
  exitsBySignals: control.exits("interrupted"),
});
