// A virtual machine of our own: one vCPU of KVM, one memfd of memory, one virtio-mmio GPU behind a vhost-user socket. Kicks go
// from the guest to the device, and interrupts back, through eventfds that KVM itself watches.

import { Worker } from "node:worker_threads";
import { libc } from "../../src/ffi/libc.ts";
import { EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import { closeFd, createEventfd, signalEventfd } from "../../src/transport/os/fds.ts";
import { BackendRequest } from "../../src/transport/wire/vhost-user/protocol.ts";
import { GuestMemory, type GuestRegion } from "../driver/guest-memory.ts";
import { Pump } from "../driver/pump.ts";
import type { DisplayPeerOptions } from "../vmm/display-options.ts";
import type { DisplayPeer } from "../vmm/display-peer.ts";
import { SessionClosed } from "../vmm/message-channel.ts";
import { ControlBlock, type Ending, Request } from "./control-block.ts";
import { Kvm } from "./kvm.ts";
import { type LinuxOptions, loadLinux } from "./linux.ts";
import { loadProgram, type ProgramOptions } from "./program.ts";
import { Report } from "./report.ts";
import { UsedRings } from "./used-rings.ts";
import { endRunSignal } from "./vcpu.ts";
import type { VcpuWorkerData } from "./vcpu-worker.ts";
import { queueSizesMax, VhostDevice } from "./vhost-device.ts";
import { VirtualMachine } from "./virtual-machine.ts";
import { Wiring, type WiringOptions } from "./wiring.ts";

export interface MachineOptions extends ProgramOptions, WiringOptions {
  screen?: { width: number; height: number };
  /** More of the display socket; null: none, as with crosvm. */
  display?: DisplayPeerOptions | null;
  /** An ordinary kernel in place of our program; what it says on its serial port goes to standard output. */
  linux?: LinuxOptions;
  /** How many frames the guest may draw before it waits for `control.framesMax` to be more. */
  framesMax?: number;
  /** How long to wait for anything, in milliseconds. */
  patienceMs?: number;
  /** Of one region at address 0; without it, a memfd with room for the screen. The machine frees it. */
  memory?: GuestMemory;
}

/** Why a machine is no more: the vCPU's reason, or what has become of the device. */
export interface MachineEnd {
  ending: Ending | "device" | "rings";
  sentence: string;
}

/** Thrown at whoever waits for what an ended machine can't do. */
export class MachineEnded extends Error {
  override name = "MachineEnded";
  constructor({ sentence }: MachineEnd) {
    super(sentence);
  }
}

const hungUp: MachineEnd = {
  ending: "device",
  sentence: "the device has hung up: its process has ended, or it refused what the guest did",
};

const mebibyte = 2 ** 20;
/** The program and all that it allocates but the screen. */
const ownBytes = 8 * mebibyte;
const linuxBytes = 512 * mebibyte;
const defaultScreen = { width: 320, height: 200 };

function memoryBytesOf(
  { width, height }: { width: number; height: number },
  { linux }: MachineOptions,
): number {
  if (linux !== undefined) return linuxBytes;
  return ownBytes + Math.ceil((width * height * 4) / mebibyte) * mebibyte;
}

export class Machine {
  readonly pump: Pump;
  readonly control = ControlBlock.create();
  readonly report: Report;
  private readonly memory: GuestMemory;
  private readonly ram: GuestRegion;
  private readonly tellFd = createEventfd();
  private readonly usedRings: UsedRings;
  private readonly screen: { width: number; height: number };
  /** What stands between RELAY's kicks and their interrupt: nobody, unless somebody does it. */
  relay = { kick: -1, call: -1 };
  private vm: VirtualMachine | null = null;
  private wiring: Wiring | null = null;
  private device: VhostDevice | null = null;
  private worker: Worker | null = null;
  private configChanges = 0;
  private lost: MachineEnd | null = null;

  private constructor(
    private readonly kvm: Kvm,
    private readonly options: MachineOptions,
  ) {
    this.pump = new Pump(options.patienceMs);
    this.screen = options.screen ?? defaultScreen;
    this.memory =
      options.memory ?? new GuestMemory([{ guestAddress: 0, size: memoryBytesOf(this.screen, options) }]);
    this.ram = this.memory.regions[0]!;
    this.report = new Report(this.ram.fd);
    this.usedRings = new UsedRings(this.ram.fd, this.control);
    this.pump.epoll.add(this.tellFd, EPOLLIN | EPOLLET, () => undefined);
  }

  /** Connects, and lets the guest run. Throws a Refusal that says what the host lacks, or {@link MachineEnded}. */
  static boot(socketPath: string, options: MachineOptions = {}): Machine {
    const machine = new Machine(Kvm.open(), options);
    try {
      machine.begin(socketPath);
    } catch (error) {
      machine.close();
      throw error instanceof SessionClosed ? new MachineEnded(hungUp) : error;
    }
    return machine;
  }

  /** The guest's memory; stays the machine's. */
  get memoryFd(): number {
    return this.ram.fd;
  }

  /** What the guest shows, once its driver has started the device. */
  get display(): DisplayPeer | null {
    return this.device?.display ?? null;
  }

  /** Why the machine has ended, or null while it runs. */
  get end(): MachineEnd | null {
    if (this.lost !== null) return this.lost;
    const end = this.control.ending;
    if (end?.ending !== "gave-up") return end;
    return { ending: end.ending, sentence: `${end.sentence}: ${this.report.failure()}` };
  }

  /** Serves the machine until `happened`. Throws {@link MachineEnded} when it ends before, and DeviceTimeout. */
  until(happened: () => boolean, what: string, timeoutMs?: number): void {
    const isOver = (): boolean => {
      this.attend();
      return happened() || this.end !== null;
    };
    this.pump.until(isOver, what, timeoutMs);
    if (!happened()) throw new MachineEnded(this.end!);
  }

  /** Serves it until its end. */
  untilEnd(timeoutMs?: number): MachineEnd {
    this.until(() => this.end !== null, "the machine's end", timeoutMs);
    return this.end!;
  }

  /** Serves it for `ms` milliseconds, or until its end. */
  serve(ms: number): void {
    const deadline = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0 && this.end === null; leftMs = deadline - performance.now()) {
      this.attend();
      this.pump.epoll.wait(Math.ceil(leftMs));
    }
    this.attend();
  }

  /** Interrupts the guest without a reason. */
  interruptIdly(): void {
    signalEventfd(this.device!.queues[0]!.call);
  }

  /** Sends a message-signalled interrupt; returns whether the guest takes such. */
  signalMessage(address: number, data: number): boolean {
    return this.vm!.signalMsi(address, data);
  }

  /** Ends the guest, hangs up and frees everything. */
  close(): void {
    this.endVcpu();
    try {
      if (this.device?.frontend.closed === false) this.device.stop();
    } catch (error) {
      // The device may have gone at any moment.
      if (!(error instanceof SessionClosed)) throw error;
    } finally {
      this.device?.close();
      this.wiring?.close();
      this.vm?.close();
      this.kvm.close();
      closeFd(this.tellFd);
      this.pump.close();
      this.memory.free();
    }
  }

  private begin(socketPath: string): void {
    const { options, ram, kvm, pump, control } = this;
    const entry = options.linux === undefined ? loadProgram(ram, options) : loadLinux(ram, options.linux);
    const vm = (this.vm = VirtualMachine.create(kvm));
    if (options.linux !== undefined) vm.addTimer();
    vm.addMemory(ram);
    const modes = [{ x: 0, y: 0, ...this.screen }];
    const display = options.display === null ? null : { modes, ...options.display };
    const device = (this.device = new VhostDevice(socketPath, ram, pump, display));
    control.config.set(device.initialise());
    if (options.framesMax !== undefined) control.framesMax = options.framesMax;
    const hasReason = (): boolean => this.usedRings.hasMoved || control.hasConfigChanged;
    this.wiring = new Wiring(vm, pump, hasReason);
    this.wiring.joinQueues(device.queues, options);
    this.relay = this.wiring.addExtraQueues();
    device.queues.forEach(({ err }, index) => {
      pump.epoll.add(err, EPOLLIN | EPOLLET, () => this.loseRing(index));
    });
    const workerData: VcpuWorkerData = {
      vmFd: vm.fd,
      runBytes: kvm.runBytes(),
      memoryFd: ram.fd,
      memoryBytes: ram.size,
      tellFd: this.tellFd,
      kickFds: device.queues.map(({ kick }) => kick),
      queueSizesMax,
      features: device.features,
      entry,
      cpuid: kvm.supportedCpuid(),
      control: control.buffer,
    };
    this.worker = new Worker(new URL("./vcpu-worker.ts", import.meta.url), { workerData });
  }

  /** What the vCPU has asked for, and what has become of the device. */
  private attend(): void {
    const device = this.device!;
    try {
      this.serveRequest(device);
      this.serveConfigChanges(device);
    } catch (error) {
      // Told below.
      if (!(error instanceof SessionClosed)) throw error;
    }
    if (device.frontend.closed && this.end === null) this.lost = hungUp;
    if (this.lost !== null) this.endVcpu();
  }

  private serveRequest(device: VhostDevice): void {
    const { control } = this;
    switch (control.request) {
      case Request.START:
        return control.answer(device.start(control.features, control.queues));
      case Request.RESET:
        device.stop();
        return control.answer(true);
      case Request.WRITE_CONFIG: {
        const { offset, bytes } = control.configWrite;
        device.frontend.setConfig(offset, bytes);
        control.changeConfig(device.readConfig(), false);
        control.answer(true);
      }
    }
  }

  private serveConfigChanges(device: VhostDevice): void {
    const changes = device.frontend.backendRequests.filter(
      ({ request }) => request === BackendRequest.CONFIG_CHANGE,
    );
    if (changes.length === this.configChanges) return;
    this.configChanges = changes.length;
    this.control.changeConfig(device.readConfig(), true);
    signalEventfd(device.queues[0]!.call);
  }

  private loseRing(index: number): void {
    const sentence = `the guest has broken ring ${index}, and the device serves it no more`;
    this.lost ??= { ending: "rings", sentence };
  }

  private endVcpu(): void {
    const { control, worker } = this;
    if (worker === null) return;
    this.worker = null;
    control.stop();
    // The signal is blocked outside of KVM_RUN and kept until then, so none comes too early.
    if (control.thread !== 0 && control.ending === null)
      libc.tgkill(process.pid, control.thread, endRunSignal);
    this.pump.until(() => control.ending !== null, "the vCPU's end");
    void worker.terminate();
  }
}
