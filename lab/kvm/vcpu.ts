// A vCPU of KVM, for the thread that made it.

import { constants } from "node:os";
import {
  Exit,
  KVM_CREATE_VCPU,
  KVM_EXIT_IO_OUT,
  KVM_GET_REGS,
  KVM_GET_SREGS,
  KVM_GET_TSC_KHZ,
  KVM_RUN,
  KVM_SET_CPUID2,
  KVM_SET_REGS,
  KVM_SET_SIGNAL_MASK,
  KVM_SET_SREGS,
  Regs,
  Run,
  Segment,
  SignalMask,
  Sregs,
} from "../../src/ffi/kvm.ts";
import { EINTR, errno, libc } from "../../src/ffi/libc.ts";
import { checked, SystemError } from "../../src/transport/os/errors.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import type { Entry } from "./layout.ts";

/** Ignored unless somebody listens, and nobody does: all that it can do is to end KVM_RUN. */
export const endRunSignal = constants.signals.SIGURG;

const allAddresses = 0xffff_ffff;
const codeSegment = { selector: 8, type: 11 } as const;
const dataSegment = { selector: 16, type: 3 } as const;
/** Protection enabled, and the coprocessor's type bit, which is always set. */
const protectedMode = 0x11;
/** Always set, whatever else is. */
const flagsAtStart = 2;
const signalsMax = 64;

/** What a vCPU has stopped for. Reads the page that it shares with KVM: valid until the next {@link Vcpu.run}. */
export class Vcpu {
  private readonly memory: NativeMemory;
  private readonly view: DataView;

  private constructor(
    private readonly fd: number,
    runBytes: number,
  ) {
    this.memory = NativeMemory.mapShared(fd, 0, runBytes, "write");
    this.view = new DataView(this.memory.view());
  }

  static create(vmFd: number, runBytes: number): Vcpu {
    const fd = checked(libc.ioctl(vmFd, KVM_CREATE_VCPU, null), "KVM_CREATE_VCPU", "making a vCPU");
    return new Vcpu(fd, runBytes);
  }

  /** What it says that it knows: struct kvm_cpuid2. */
  know(cpuid: Uint8Array): void {
    checked(libc.ioctl(this.fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2", "setting a vCPU up");
  }

  /** Begins in 32-bit protected mode: flat segments, no paging, no interrupts. */
  start({ address, argument }: Entry): void {
    const special = new DataView(new ArrayBuffer(Sregs.bytes));
    this.tell(KVM_GET_SREGS, special, "KVM_GET_SREGS");
    for (let index = 0; index < Sregs.segmentCount; index++) {
      const offset = Sregs.segments + index * Segment.bytes;
      const { selector, type } = index === 0 ? codeSegment : dataSegment;
      special.setBigUint64(offset + Segment.base, 0n, true);
      special.setUint32(offset + Segment.limit, allAddresses, true);
      special.setUint16(offset + Segment.selector, selector, true);
      special.setUint8(offset + Segment.type, type);
      special.setUint8(offset + Segment.dpl, 0);
      special.setUint8(offset + Segment.l, 0);
      for (const flag of [Segment.present, Segment.db, Segment.s, Segment.g])
        special.setUint8(offset + flag, 1);
    }
    special.setBigUint64(Sregs.cr0, BigInt(protectedMode), true);
    this.tell(KVM_SET_SREGS, special, "KVM_SET_SREGS");
    const regs = new DataView(new ArrayBuffer(Regs.bytes));
    regs.setBigUint64(Regs.rsi, BigInt(argument), true);
    regs.setBigUint64(Regs.rip, BigInt(address), true);
    regs.setBigUint64(Regs.rflags, BigInt(flagsAtStart), true);
    this.tell(KVM_SET_REGS, regs, "KVM_SET_REGS");
  }

  /** Has `signal`, which this thread keeps blocked otherwise, end {@link run}. */
  endRunOn(signal: number): void {
    const blocked = new BigUint64Array([1n << BigInt(signal - 1)]);
    const SIG_BLOCK = 0;
    libc.pthread_sigmask(SIG_BLOCK, blocked, null);
    const mask = new DataView(new ArrayBuffer(SignalMask.bytes));
    mask.setUint32(SignalMask.length, signalsMax / 8, true);
    this.tell(KVM_SET_SIGNAL_MASK, mask, "KVM_SET_SIGNAL_MASK");
  }

  /** Lets the guest run until KVM has something to tell; returns one of {@link Exit}. Throws a SystemError. */
  run(): number {
    if (libc.ioctl(this.fd, KVM_RUN, null) >= 0) return this.view.getUint32(Run.exitReason, true);
    const code = errno();
    if (code === EINTR) return Exit.INTR;
    throw new SystemError("KVM_RUN", code, "running the guest");
  }

  /** Where the guest is. */
  get instruction(): number {
    const regs = new DataView(new ArrayBuffer(Regs.bytes));
    this.tell(KVM_GET_REGS, regs, "KVM_GET_REGS");
    return Number(regs.getBigUint64(Regs.rip, true));
  }

  /** How often its time-stamp counter counts, in kHz. */
  get tscKhz(): number {
    return checked(
      libc.ioctl(this.fd, KVM_GET_TSC_KHZ, null),
      "KVM_GET_TSC_KHZ",
      "asking for the TSC's rate",
    );
  }

  /** Of Exit.IO. */
  get port(): number {
    return this.view.getUint16(Run.ioPort, true);
  }

  get isPortWrite(): boolean {
    return this.view.getUint8(Run.ioDirection) === KVM_EXIT_IO_OUT;
  }

  /** The first value of what was written, which may be repeated. */
  get portValue(): number {
    const offset = this.view.getUint32(Run.ioData, true);
    const size = this.view.getUint8(Run.ioSize);
    return size === 4 ? this.view.getUint32(offset, true) : this.view.getUint8(offset);
  }

  /** Answers a read of a port with `value`, in each of its bytes. */
  answerPort(value: number): void {
    const offset = this.view.getUint32(Run.ioData, true);
    const bytes = this.view.getUint8(Run.ioSize) * this.view.getUint32(Run.ioCount, true);
    new Uint8Array(this.view.buffer, offset, bytes).fill(value);
  }

  /** Of Exit.MMIO: below 2^53, as all guest-physical addresses are. */
  get mmioAddress(): number {
    return (
      this.view.getUint32(Run.mmioAddress, true) + this.view.getUint32(Run.mmioAddress + 4, true) * 2 ** 32
    );
  }

  get mmioLength(): number {
    return this.view.getUint32(Run.mmioLength, true);
  }

  get isMmioWrite(): boolean {
    return this.view.getUint8(Run.mmioIsWrite) !== 0;
  }

  /** What was written, or is to be read: little-endian, of which the first {@link mmioLength} bytes count. */
  get mmioValue(): number {
    return this.view.getUint32(Run.mmioData, true);
  }

  set mmioValue(value: number) {
    this.view.setUint32(Run.mmioData, value, true);
    this.view.setUint32(Run.mmioData + 4, 0, true);
  }

  /** Of Exit.INTERNAL_ERROR. */
  get suberror(): number {
    return this.view.getUint32(Run.suberror, true);
  }

  close(): void {
    this.memory.unmap();
    closeFd(this.fd);
  }

  private tell(request: number, argument: DataView, call: string): void {
    checked(libc.ioctl(this.fd, request, new Uint8Array(argument.buffer)), call, "setting a vCPU up");
  }
}
