// A virtual machine of KVM: its memory, its interrupt lines, and doorbells that are eventfds. Any thread may use it.

import type { Pointer } from "bun:ffi";
import {
  Ioeventfd,
  IoeventfdFlag,
  IrqLevel,
  Irqfd,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_PIT2,
  KVM_IOEVENTFD,
  KVM_IRQ_LINE,
  KVM_IRQFD,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_PIT_SPEAKER_DUMMY,
  KVM_SET_TSS_ADDR,
  KVM_SET_USER_MEMORY_REGION,
  KVM_SIGNAL_MSI,
  Msi,
  PitConfig,
  UserMemoryRegion,
} from "../../src/ffi/kvm.ts";
import { asPointer, libc } from "../../src/ffi/libc.ts";
import { checked } from "../../src/transport/os/errors.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import type { Kvm } from "./kvm.ts";

/** Three pages below the firmware's, where nothing of ours lies. */
const tssAddress = 0xfffb_d000;

/** Memory of this process that the guest sees at `guestAddress`. */
interface MemorySlot {
  guestAddress: number;
  size: number;
  userAddress: number;
}

export class VirtualMachine {
  private slots = 0;

  private constructor(readonly fd: number) {}

  /** With an interrupt controller in the kernel. Throws a SystemError where that fails. */
  static create(kvm: Kvm): VirtualMachine {
    const vm = new VirtualMachine(kvm.createVm());
    try {
      vm.tell(KVM_SET_TSS_ADDR, asPointer(tssAddress), "KVM_SET_TSS_ADDR", "setting three pages aside");
      vm.tell(KVM_CREATE_IRQCHIP, null, "KVM_CREATE_IRQCHIP", "making an interrupt controller");
    } catch (error) {
      vm.close();
      throw error;
    }
    return vm;
  }

  addMemory({ guestAddress, size, userAddress }: MemorySlot): void {
    const region = new DataView(new ArrayBuffer(UserMemoryRegion.bytes));
    region.setUint32(UserMemoryRegion.slot, this.slots++, true);
    region.setBigUint64(UserMemoryRegion.guestAddress, BigInt(guestAddress), true);
    region.setBigUint64(UserMemoryRegion.memoryBytes, BigInt(size), true);
    region.setBigUint64(UserMemoryRegion.userAddress, BigInt(userAddress), true);
    this.tell(
      KVM_SET_USER_MEMORY_REGION,
      region,
      "KVM_SET_USER_MEMORY_REGION",
      "giving the guest its memory",
    );
  }

  /** A PC's timer, which ordinary kernels want. */
  addTimer(): void {
    const config = new DataView(new ArrayBuffer(PitConfig.bytes));
    config.setUint32(PitConfig.flags, KVM_PIT_SPEAKER_DUMMY, true);
    this.tell(KVM_CREATE_PIT2, config, "KVM_CREATE_PIT2", "making a timer");
  }

  /** Has a write of `value`, four bytes wide, to guest-physical `address` signal `fd`, and do nothing else. */
  addDoorbell(address: number, value: number, fd: number): void {
    const bell = new DataView(new ArrayBuffer(Ioeventfd.bytes));
    bell.setBigUint64(Ioeventfd.datamatch, BigInt(value), true);
    bell.setBigUint64(Ioeventfd.address, BigInt(address), true);
    bell.setUint32(Ioeventfd.length, 4, true);
    bell.setInt32(Ioeventfd.fd, fd, true);
    bell.setUint32(Ioeventfd.flags, IoeventfdFlag.DATAMATCH, true);
    this.tell(KVM_IOEVENTFD, bell, "KVM_IOEVENTFD", `making a doorbell of 0x${address.toString(16)}`);
  }

  /**
   * Has each signal of `fd` interrupt the guest. With `resampleFd` the line stays up until the guest has served it, which
   * signals that; without, it is raised and lowered at once.
   */
  addInterrupt(line: number, fd: number, resampleFd = -1): void {
    const irqfd = new DataView(new ArrayBuffer(Irqfd.bytes));
    irqfd.setInt32(Irqfd.fd, fd, true);
    irqfd.setUint32(Irqfd.gsi, line, true);
    irqfd.setUint32(Irqfd.flags, resampleFd < 0 ? 0 : KVM_IRQFD_FLAG_RESAMPLE, true);
    irqfd.setInt32(Irqfd.resampleFd, Math.max(0, resampleFd), true);
    this.tell(KVM_IRQFD, irqfd, "KVM_IRQFD", `making an interrupt of line ${line}`);
  }

  /** Raises a line and lowers it again, as an edge-triggered device does. */
  pulse(line: number): void {
    for (const level of [1, 0]) this.setLine(line, level);
  }

  /** Sends a message-signalled interrupt. Returns whether the guest takes such. */
  signalMsi(address: number, data: number): boolean {
    const msi = new DataView(new ArrayBuffer(Msi.bytes));
    msi.setUint32(Msi.addressLow, address, true);
    msi.setUint32(Msi.data, data, true);
    return this.tell(KVM_SIGNAL_MSI, msi, "KVM_SIGNAL_MSI", "sending a message-signalled interrupt") > 0;
  }

  close(): void {
    closeFd(this.fd);
  }

  private setLine(irq: number, level: number): void {
    const line = new DataView(new ArrayBuffer(IrqLevel.bytes));
    line.setUint32(IrqLevel.irq, irq, true);
    line.setUint32(IrqLevel.level, level, true);
    this.tell(KVM_IRQ_LINE, line, "KVM_IRQ_LINE", `setting interrupt line ${irq}`);
  }

  /** `argument`: a struct, an address, or none. */
  private tell(request: number, argument: DataView | Pointer | null, call: string, doing: string): number {
    const given = argument instanceof DataView ? new Uint8Array(argument.buffer) : argument;
    return checked(libc.ioctl(this.fd, request, given), call, doing);
  }
}
