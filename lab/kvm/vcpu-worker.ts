// The thread of a machine's vCPU: runs the guest, and serves what brings it out of KVM. Kicks and interrupts do not.

import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { libc } from "../../src/ffi/libc.ts";
import { Exit, KVM_INTERNAL_ERROR_EMULATION } from "../../src/ffi/kvm.ts";
import { asRefusal } from "../../src/transport/os/errors.ts";
import { signalEventfd, sizeOfFd } from "../../src/transport/os/fds.ts";
import { ControlBlock, type Ending, Request } from "./control-block.ts";
import { Address, type Entry, GuestEvent, Port } from "./layout.ts";
import { InterruptReason, type MmioDevice, MmioRegisters, registerBytes } from "./mmio-registers.ts";
import { SerialPort, serialPorts } from "./serial-port.ts";
import { UsedRings } from "./used-rings.ts";
import { endRunSignal, Vcpu } from "./vcpu.ts";

export interface VcpuWorkerData {
  vmFd: number;
  /** Bytes of what a vCPU maps. */
  runBytes: number;
  memoryFd: number;
  memoryBytes: number;
  /** Signalled whenever there is something for the main thread. */
  tellFd: number;
  /** Of the queues, for kicks that no doorbell takes. */
  kickFds: readonly number[];
  queueSizesMax: readonly number[];
  features: bigint;
  entry: Entry;
  cpuid: Uint8Array;
  control: SharedArrayBuffer;
}

const given = workerData as VcpuWorkerData;
const control = new ControlBlock(given.control);
const tell = (): void => signalEventfd(given.tellFd);
const usedRings = new UsedRings(given.memoryFd, control);

const device: MmioDevice = {
  features: given.features,
  queueSizesMax: given.queueSizesMax,
  get configGeneration() {
    return control.configGeneration;
  },
  readConfig(offset) {
    return offset + 4 <= control.config.length
      ? new DataView(control.buffer, control.config.byteOffset).getUint32(offset, true)
      : 0;
  },
  writeConfig(offset, bytes) {
    if (offset + bytes.length > control.config.length) return;
    control.setConfigWrite(offset, bytes);
    control.ask(Request.WRITE_CONFIG, tell);
  },
  start(features, queues) {
    const isInMemory = (address: number): boolean => address < given.memoryBytes;
    const addresses = queues.flatMap(({ descriptors, avail, used }) => [descriptors, avail, used]);
    if (!addresses.every(isInMemory)) return false;
    control.features = features;
    control.queues = queues;
    return control.ask(Request.START, tell);
  },
  reset() {
    control.ask(Request.RESET, tell);
  },
  notify(queue) {
    signalEventfd(given.kickFds[queue] ?? -1);
  },
  takeReasons() {
    const used = usedRings.take() ? InterruptReason.USED_BUFFER : 0;
    return control.takeConfigChanged() ? used | InterruptReason.CONFIG_CHANGE : used;
  },
};
const registers = new MmioRegisters(device);
const serial = new SerialPort((line) => void writeSync(standardOutput, `console    ${line}\n`));
const emptyBus = 0xff;
const standardOutput = 1;

let ended: { ending: Ending; sentence: string } | null = null;

function main(): void {
  let vcpu: Vcpu | null = null;
  try {
    vcpu = Vcpu.create(given.vmFd, given.runBytes);
    vcpu.know(given.cpuid);
    vcpu.start(given.entry);
    vcpu.endRunOn(endRunSignal);
    control.tscKhz = vcpu.tscKhz;
    control.thread = libc.gettid();
    while (!control.isStopping && ended === null) serve(vcpu, vcpu.run());
  } catch (error) {
    endFor(asRefusal(error).message);
  } finally {
    vcpu?.close();
    // Last of all: whoever reads it ends this thread.
    const { ending, sentence } = ended ?? { ending: "stopped", sentence: "the machine was stopped" };
    control.end(ending, sentence);
    tell();
  }
}

const finish = (ending: Ending, sentence: string): void => void (ended = { ending, sentence });

function serve(vcpu: Vcpu, exit: number): void {
  switch (exit) {
    case Exit.IO:
      control.countExit("io");
      return servePort(vcpu);
    case Exit.MMIO:
      control.countExit("mmio");
      return serveMmio(vcpu);
    case Exit.INTR:
      return control.countExit("interrupted");
    default:
      control.countExit("other");
      return end(vcpu, exit);
  }
}

function servePort(vcpu: Vcpu): void {
  const register = vcpu.port - serialPorts.first;
  if (register >= 0 && register < serialPorts.count) {
    if (vcpu.isPortWrite) serial.write(register, vcpu.portValue);
    else vcpu.answerPort(serial.read(register));
    return;
  }
  if (!vcpu.isPortWrite) return vcpu.answerPort(emptyBus);
  if (vcpu.port !== Port.EVENT) return;
  const event = vcpu.portValue;
  if (event === GuestEvent.FRAME) control.addFrame(tell);
  else if (event === GuestEvent.DONE) finish("done", "the guest's program has done what it was to do");
  else if (event === GuestEvent.FAILED) finish("gave-up", "the guest's program gave up");
}

function serveMmio(vcpu: Vcpu): void {
  const offset = vcpu.mmioAddress - Address.device;
  const isOurs = offset >= 0 && offset < registerBytes;
  if (vcpu.isMmioWrite) {
    if (isOurs) registers.write(offset, vcpu.mmioValue, vcpu.mmioLength);
  } else vcpu.mmioValue = isOurs ? registers.read(offset) : 0xffff_ffff;
}

function end(vcpu: Vcpu, exit: number): void {
  const at = `at 0x${vcpu.instruction.toString(16)}`;
  if (exit === Exit.SHUTDOWN)
    finish("shutdown", `the guest's CPU has shut down ${at}, as after a triple fault`);
  else if (exit === Exit.INTERNAL_ERROR && vcpu.suberror === KVM_INTERNAL_ERROR_EMULATION)
    endFor(
      `this host's KVM cannot run the guest's instruction ${at}: it emulates, and does not know that one`,
    );
  else endFor(`KVM gave up the guest ${at} for reason ${exit}`);
}

/** KVM can't go on. It does not tell memory that is there no more from an instruction that it does not know. */
function endFor(sentence: string): void {
  const bytes = sizeOfFd(given.memoryFd);
  if (bytes >= given.memoryBytes) return finish("cpu", sentence);
  finish("memory", `the guest's memory was made shorter, from ${given.memoryBytes} bytes to ${bytes}`);
}

main();
