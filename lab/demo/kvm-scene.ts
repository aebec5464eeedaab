// The demo with a virtual machine of our own: a program on a CPU of KVM, whose kicks and interrupts are eventfds.

import { Machine, MachineEnded } from "../kvm/machine.ts";
import type { ServerProcess } from "../vmm/server-process.ts";
import type { DemoOptions } from "./options.ts";
import { saveScreen } from "./saved-screen.ts";

/** Signals are delivered only while the event loop turns. */
const sliceMs = 100;
const patienceMs = 60_000;

/** Has the guest draw until `seconds` are over or `stopped`, and saves its last frame. Throws a Refusal without KVM. */
export async function playInKvm(
  server: ServerProcess,
  { width, height, seconds, output }: DemoOptions,
  stopped: () => boolean,
  progress: (frame: number) => void,
): Promise<void> {
  const machine = Machine.boot(server.socketPath, { screen: { width, height }, patienceMs });
  try {
    const { control, report } = machine;
    const turn = async (): Promise<void> => {
      machine.serve(sliceMs);
      if (machine.end !== null) throw new MachineEnded(machine.end);
      progress(control.frames);
      await Bun.sleep(0);
    };
    while (control.frames === 0 && !stopped()) await turn();
    const from = performance.now();
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
    machine.close();
  }
}
