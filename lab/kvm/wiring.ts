// What joins a guest with its device: doorbells that are the queues' kicks, and interrupts that are their calls.

import { EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import { closeFd, createEventfd, signalEventfd } from "../../src/transport/os/fds.ts";
import type { Pump } from "../driver/pump.ts";
import { Address, deviceIrq, echoIrq, ExtraQueue } from "./layout.ts";
import { queueNotify } from "./mmio-registers.ts";
import type { QueueFds } from "./vhost-device.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

export interface WiringOptions {
  trigger?: "edge" | "level";
  /** How kicks and interrupts go: by the kernel alone, or through the VMM, as without ioeventfd and irqfd. */
  path?: "kernel" | "vmm";
}

const doorbell = Address.device + queueNotify;

export class Wiring {
  private readonly fds: number[] = [];

  /** `hasReason` is asked when a level-triggered line was served: whether it is to be raised again. */
  constructor(
    private readonly vm: VirtualMachine,
    private readonly pump: Pump,
    private readonly hasReason: () => boolean,
  ) {}

  joinQueues(queues: readonly QueueFds[], { trigger, path }: WiringOptions): void {
    queues.forEach(({ kick, call }, index) => {
      if (path === "vmm") return this.watch(call, () => this.vm.pulse(deviceIrq));
      this.vm.addDoorbell(doorbell, index, kick);
      if (trigger === "level") this.addLevelInterrupt(call);
      else this.vm.addInterrupt(deviceIrq, call);
    });
  }

  /**
   * For measuring what each costs: a doorbell that wakes nobody, one that is an interrupt itself, and one with somebody else
   * between. Returns the last one's eventfds: who waits for the one and then signals the other.
   */
  addExtraQueues(): { kick: number; call: number } {
    const [sink, echo, kick, call] = Array.from({ length: 4 }, () => this.eventfd()) as [
      number,
      number,
      number,
      number,
    ];
    this.vm.addDoorbell(doorbell, ExtraQueue.SINK, sink);
    this.vm.addDoorbell(doorbell, ExtraQueue.ECHO, echo);
    this.vm.addInterrupt(echoIrq, echo);
    this.vm.addDoorbell(doorbell, ExtraQueue.RELAY, kick);
    this.vm.addInterrupt(echoIrq, call);
    return { kick, call };
  }

  close(): void {
    for (const fd of this.fds) closeFd(fd);
  }

  private addLevelInterrupt(call: number): void {
    const resample = this.eventfd();
    this.vm.addInterrupt(deviceIrq, call, resample);
    this.watch(resample, () => {
      if (this.hasReason()) signalEventfd(call);
    });
  }

  private watch(fd: number, signalled: () => void): void {
    this.pump.epoll.add(fd, EPOLLIN | EPOLLET, signalled);
  }

  private eventfd(): number {
    const fd = createEventfd();
    this.fds.push(fd);
    return fd;
  }
}
