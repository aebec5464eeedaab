// KVM's ioctls as a small VMM needs them: numbers and struct layouts (include/uapi/linux/kvm.h). x86-64. Offsets in bytes.

export const KVM_API_VERSION = 12;

// Of /dev/kvm; the first three take a number or nothing.
export const KVM_GET_API_VERSION = 0xae00;
export const KVM_CREATE_VM = 0xae01;
export const KVM_CHECK_EXTENSION = 0xae03;
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;

/** _IOWR(KVMIO, 0x05, struct kvm_cpuid2): what a guest's CPU can be said to know. */
export const KVM_GET_SUPPORTED_CPUID = 0xc008_ae05;
/** struct kvm_cpuid2, of which a vCPU is given as much as it was filled with. */
export const Cpuid = { count: 0, entries: 8, entryBytes: 40 } as const;

/** What CHECK_EXTENSION is asked for. */
export const Capability = {
  IRQCHIP: 0,
  USER_MEMORY: 3,
  IRQFD: 32,
  IOEVENTFD: 36,
  GET_TSC_KHZ: 61,
  SIGNAL_MSI: 77,
  IRQFD_RESAMPLE: 82,
} as const;

// Of a VM.
export const KVM_CREATE_VCPU = 0xae41;
/** The argument is an address below 4 GiB of three pages that the guest leaves alone; Intel's virtualisation wants it. */
export const KVM_SET_TSS_ADDR = 0xae47;
/** Two PICs, an IOAPIC, and a local APIC a vCPU, in the kernel. */
export const KVM_CREATE_IRQCHIP = 0xae60;
/** _IOW(KVMIO, 0x77, struct kvm_pit_config): a PC's timer. */
export const KVM_CREATE_PIT2 = 0x4040_ae77;
export const PitConfig = { flags: 0, bytes: 64 } as const;
/** With the port of its speaker, by which kernels tell how fast their processor is. */
export const KVM_PIT_SPEAKER_DUMMY = 1;
/** _IOW(KVMIO, 0x46, struct kvm_userspace_memory_region). */
export const KVM_SET_USER_MEMORY_REGION = 0x4020_ae46;
export const UserMemoryRegion = {
  slot: 0,
  flags: 4,
  guestAddress: 8,
  memoryBytes: 16,
  userAddress: 24,
  bytes: 32,
} as const;
/** _IOW(KVMIO, 0x61, struct kvm_irq_level). */
export const KVM_IRQ_LINE = 0x4008_ae61;
export const IrqLevel = { irq: 0, level: 4, bytes: 8 } as const;
/** _IOW(KVMIO, 0x76, struct kvm_irqfd). */
export const KVM_IRQFD = 0x4020_ae76;
export const Irqfd = { fd: 0, gsi: 4, flags: 8, resampleFd: 12, bytes: 32 } as const;
/** The line stays up until the guest says that it is served, which lowers it and signals the second eventfd. */
export const KVM_IRQFD_FLAG_RESAMPLE = 2;
/** _IOW(KVMIO, 0x79, struct kvm_ioeventfd). */
export const KVM_IOEVENTFD = 0x4040_ae79;
export const Ioeventfd = { datamatch: 0, address: 8, length: 16, fd: 20, flags: 24, bytes: 64 } as const;
export const IoeventfdFlag = { DATAMATCH: 1, PIO: 2 } as const;
/** _IOW(KVMIO, 0xa5, struct kvm_msi). */
export const KVM_SIGNAL_MSI = 0x4020_aea5;
export const Msi = { addressLow: 0, addressHigh: 4, data: 8, flags: 12, bytes: 32 } as const;

// Of a vCPU, for the thread that made it.
export const KVM_RUN = 0xae80;
export const KVM_GET_TSC_KHZ = 0xaea3;
/** _IOW(KVMIO, 0x90, struct kvm_cpuid2). */
export const KVM_SET_CPUID2 = 0x4008_ae90;
/** _IOW(KVMIO, 0x82, struct kvm_regs), of u64s. */
export const KVM_SET_REGS = 0x4090_ae82;
export const KVM_GET_REGS = 0x8090_ae81;
export const Regs = { rsi: 32, rip: 128, rflags: 136, bytes: 144 } as const;
/** _IOW(KVMIO, 0x84, struct kvm_sregs). */
export const KVM_SET_SREGS = 0x4138_ae84;
export const KVM_GET_SREGS = 0x8138_ae83;
/** The six segments lie one behind the other, CS first. */
export const Sregs = { segments: 0, segmentCount: 6, cr0: 224, bytes: 312 } as const;
export const Segment = {
  base: 0,
  limit: 8,
  selector: 12,
  type: 14,
  present: 15,
  dpl: 16,
  db: 17,
  s: 18,
  l: 19,
  g: 20,
  bytes: 24,
} as const;
/** _IOW(KVMIO, 0x8b, struct kvm_signal_mask): which signals stay blocked inside of RUN. */
export const KVM_SET_SIGNAL_MASK = 0x4004_ae8b;
export const SignalMask = { length: 0, mask: 4, bytes: 12 } as const;

export const Exit = {
  IO: 2,
  HLT: 5,
  MMIO: 6,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  INTERNAL_ERROR: 17,
} as const;
/** INTERNAL_ERROR's suberror: an instruction that KVM would have to emulate, and can't. */
export const KVM_INTERNAL_ERROR_EMULATION = 1;

/** struct kvm_run, which a vCPU's descriptor maps. `ioData` is where in it the bytes of a port lie. */
export const Run = {
  exitReason: 8,
  ioDirection: 32,
  ioSize: 33,
  ioPort: 34,
  ioCount: 36,
  ioData: 40,
  mmioAddress: 32,
  mmioData: 40,
  mmioLength: 48,
  mmioIsWrite: 52,
  suberror: 32,
} as const;
export const KVM_EXIT_IO_OUT = 1;
