// /dev/kvm: whether this host lends its processor to virtual machines, and making one.

import { openSync } from "node:fs";
import {
  Capability,
  Cpuid,
  KVM_API_VERSION,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
} from "../../src/ffi/kvm.ts";
import { asPointer, libc } from "../../src/ffi/libc.ts";
import { checked, Refusal } from "../../src/transport/os/errors.ts";
import { closeFd } from "../../src/transport/os/fds.ts";

export const kvmPath = "/dev/kvm";

/** KVM_MAX_CPUID_ENTRIES. */
const cpuidEntriesMax = 256;

/** What this VMM cannot do without, and each in words. */
const needed: readonly [capability: number, what: string][] = [
  [Capability.USER_MEMORY, "memory slots"],
  [Capability.IRQCHIP, "an interrupt controller in the kernel"],
  [Capability.IOEVENTFD, "ioeventfd"],
  [Capability.IRQFD, "irqfd"],
  [Capability.IRQFD_RESAMPLE, "irqfd with resample"],
];

const reasons: Readonly<Record<string, string>> = {
  ENOENT:
    "is not there: load the module kvm_intel or kvm_amd, turn virtualisation on in the firmware, or, inside of a virtual machine, have its host allow nested ones",
  EACCES: "may not be opened: join the group that owns it (usermod -aG kvm USER, then log in again)",
  EPERM: "may not be opened here: a container must be given the device (--device /dev/kvm)",
  ENODEV: "has no processor to lend: turn virtualisation on in the firmware",
  ENXIO: "has no processor to lend: turn virtualisation on in the firmware",
};

export class Kvm {
  private constructor(private readonly fd: number) {}

  /** Throws a {@link Refusal} that says what the host lacks, and how to get it. */
  static open(path = kvmPath): Kvm {
    if (process.arch !== "x64")
      throw new Refusal(`KVM's machines here are x86-64 alone, and this is ${process.arch}`);
    const kvm = new Kvm(openNode(path));
    try {
      kvm.check();
    } catch (error) {
      kvm.close();
      throw error;
    }
    return kvm;
  }

  /** 0, or more where the kernel knows `capability`: how many or how much is its own affair. */
  extension(capability: number): number {
    return checked(
      libc.ioctl(this.fd, KVM_CHECK_EXTENSION, asPointer(capability)),
      "KVM_CHECK_EXTENSION",
      `asking for KVM's capability ${capability}`,
    );
  }

  /** Bytes of what a vCPU's descriptor maps. */
  runBytes(): number {
    return checked(
      libc.ioctl(this.fd, KVM_GET_VCPU_MMAP_SIZE, null),
      "KVM_GET_VCPU_MMAP_SIZE",
      "sizing a vCPU",
    );
  }

  /** What a guest's CPU can be said to know: struct kvm_cpuid2. */
  supportedCpuid(): Uint8Array {
    const cpuid = new Uint8Array(Cpuid.entries + cpuidEntriesMax * Cpuid.entryBytes);
    new DataView(cpuid.buffer).setUint32(Cpuid.count, cpuidEntriesMax, true);
    const what = "asking what a guest's CPU can know";
    checked(libc.ioctl(this.fd, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID", what);
    return cpuid;
  }

  /** A virtual machine's descriptor, the caller's to close. */
  createVm(): number {
    return checked(libc.ioctl(this.fd, KVM_CREATE_VM, null), "KVM_CREATE_VM", "making a virtual machine");
  }

  close(): void {
    closeFd(this.fd);
  }

  private check(): void {
    const version = checked(
      libc.ioctl(this.fd, KVM_GET_API_VERSION, null),
      "KVM_GET_API_VERSION",
      "asking for KVM's version",
    );
    if (version !== KVM_API_VERSION)
      throw new Refusal(`KVM's version is ${version}, not ${KVM_API_VERSION}: take a kernel from 2.6.22 on`);
    const missing = needed.filter(([capability]) => this.extension(capability) === 0).map(([, what]) => what);
    if (missing.length > 0)
      throw new Refusal(`this kernel's KVM lacks ${missing.join(", ")}: take one that was built with it`);
  }
}

function openNode(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    const { code = "an error" } = error as NodeJS.ErrnoException;
    throw new Refusal(`${path} ${reasons[code] ?? `cannot be opened (${code})`}`, { cause: error });
  }
}
