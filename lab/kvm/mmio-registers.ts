// The registers of a virtio-mmio device (virtio 1.3 §4.2.2): negotiation, queues, config space, interrupt status.

/** Offsets in bytes. */
const Register = {
  MAGIC: 0x00,
  VERSION: 0x04,
  DEVICE_ID: 0x08,
  VENDOR_ID: 0x0c,
  DEVICE_FEATURES: 0x10,
  DEVICE_FEATURES_SELECT: 0x14,
  DRIVER_FEATURES: 0x20,
  DRIVER_FEATURES_SELECT: 0x24,
  QUEUE_SELECT: 0x30,
  QUEUE_SIZE_MAX: 0x34,
  QUEUE_SIZE: 0x38,
  QUEUE_READY: 0x44,
  QUEUE_NOTIFY: 0x50,
  INTERRUPT_STATUS: 0x60,
  INTERRUPT_ACK: 0x64,
  STATUS: 0x70,
  QUEUE_DESCRIPTORS: 0x80,
  QUEUE_AVAIL: 0x90,
  QUEUE_USED: 0xa0,
  CONFIG_GENERATION: 0xfc,
  CONFIG: 0x100,
} as const;

/** Where a doorbell of the queues lies. */
export const queueNotify = Register.QUEUE_NOTIFY;
export const registerBytes = 0x1000;

const magic = 0x7472_6976;
const version = 2;
const gpu = 16;
/** "FPST", the vendor that nobody else is. */
const vendor = 0x5453_5046;

const Status = { DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 0x40 } as const;
export const InterruptReason = { USED_BUFFER: 1, CONFIG_CHANGE: 2 } as const;

/** A queue as the driver has set it up; addresses are guest-physical. */
export interface QueueSetup {
  size: number;
  descriptors: number;
  avail: number;
  used: number;
  ready: boolean;
}

/** What stands behind the registers. */
export interface MmioDevice {
  readonly features: bigint;
  readonly queueSizesMax: readonly number[];
  readonly configGeneration: number;
  /** Four bytes of the config space; 0 beyond its end. */
  readConfig(offset: number): number;
  writeConfig(offset: number, bytes: Uint8Array): void;
  /** DRIVER_OK. Returns whether the device runs now. */
  start(features: bigint, queues: readonly QueueSetup[]): boolean;
  reset(): void;
  /** A kick that no doorbell has taken. */
  notify(queue: number): void;
  /** Bits of {@link InterruptReason} since the last time that this was asked. */
  takeReasons(): number;
}

const half = 2 ** 32;
const emptyQueue = (): QueueSetup => ({ size: 0, descriptors: 0, avail: 0, used: 0, ready: false });

export class MmioRegisters {
  private status = 0;
  /** Or was to be, since the last reset. */
  private wasStarted = false;
  private featureWord = 0;
  private driverFeatureWord = 0;
  private driverFeatures = 0n;
  private selected = 0;
  private queues: QueueSetup[];
  /** Reasons told and not acknowledged yet. */
  private reasons = 0;

  constructor(private readonly device: MmioDevice) {
    this.queues = device.queueSizesMax.map(emptyQueue);
  }

  /** The register's value, or four bytes of the config space. */
  read(offset: number): number {
    if (offset >= Register.CONFIG) return this.device.readConfig(offset - Register.CONFIG);
    switch (offset) {
      case Register.MAGIC:
        return magic;
      case Register.VERSION:
        return version;
      case Register.DEVICE_ID:
        return gpu;
      case Register.VENDOR_ID:
        return vendor;
      case Register.DEVICE_FEATURES:
        return wordOf(this.device.features, this.featureWord);
      case Register.QUEUE_SIZE_MAX:
        return this.device.queueSizesMax[this.selected] ?? 0;
      case Register.QUEUE_READY:
        return this.queues[this.selected]?.ready ? 1 : 0;
      case Register.INTERRUPT_STATUS:
        return (this.reasons |= this.device.takeReasons());
      case Register.STATUS:
        return this.status;
      case Register.CONFIG_GENERATION:
        return this.device.configGeneration;
      default:
        return 0;
    }
  }

  /** `bytes` wide, which a register's write always is four of. */
  write(offset: number, value: number, bytes: number): void {
    if (offset >= Register.CONFIG) return this.writeConfig(offset - Register.CONFIG, value, bytes);
    switch (offset) {
      case Register.DEVICE_FEATURES_SELECT:
        this.featureWord = value;
        return;
      case Register.DRIVER_FEATURES_SELECT:
        this.driverFeatureWord = value;
        return;
      case Register.DRIVER_FEATURES:
        return this.setDriverFeatures(value);
      case Register.QUEUE_SELECT:
        this.selected = value;
        return;
      case Register.QUEUE_NOTIFY:
        return this.device.notify(value);
      case Register.INTERRUPT_ACK:
        this.reasons &= ~value;
        return;
      case Register.STATUS:
        return this.setStatus(value);
      default:
        return this.writeQueue(offset, value);
    }
  }

  private writeQueue(offset: number, value: number): void {
    const queue = this.queues[this.selected];
    if (queue === undefined) return;
    if (offset === Register.QUEUE_SIZE) queue.size = value;
    else if (offset === Register.QUEUE_READY) queue.ready = value === 1;
    else if (offset === Register.QUEUE_DESCRIPTORS) queue.descriptors = value;
    else if (offset === Register.QUEUE_DESCRIPTORS + 4) queue.descriptors += value * half;
    else if (offset === Register.QUEUE_AVAIL) queue.avail = value;
    else if (offset === Register.QUEUE_AVAIL + 4) queue.avail += value * half;
    else if (offset === Register.QUEUE_USED) queue.used = value;
    else if (offset === Register.QUEUE_USED + 4) queue.used += value * half;
  }

  private writeConfig(offset: number, value: number, bytes: number): void {
    const all = new Uint8Array(new Uint32Array([value]).buffer);
    this.device.writeConfig(offset, all.subarray(0, bytes));
  }

  private setDriverFeatures(value: number): void {
    // What was agreed on stays.
    if (this.status & Status.FEATURES_OK) return;
    const shift = BigInt(32 * Math.min(this.driverFeatureWord, 3));
    this.driverFeatures = (this.driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
  }

  private setStatus(value: number): void {
    if (value === 0) return this.reset();
    const added = value & ~this.status;
    this.status = value & 0xff;
    // §2.2.1: what was not offered may not be taken, and the driver sees that the bit is not there.
    if (added & Status.FEATURES_OK && (this.driverFeatures & ~this.device.features) !== 0n)
      this.status &= ~Status.FEATURES_OK;
    if (added & Status.DRIVER_OK && !this.start()) this.status |= Status.NEEDS_RESET;
  }

  /** §3.1.1: not before the features are agreed on. */
  private start(): boolean {
    if (!(this.status & Status.FEATURES_OK)) return false;
    this.wasStarted = true;
    return this.device.start(this.driverFeatures, this.queues);
  }

  private reset(): void {
    // Whatever the driver has made of the status since.
    if (this.wasStarted) this.device.reset();
    this.wasStarted = false;
    this.status = 0;
    this.driverFeatures = 0n;
    this.reasons = 0;
    this.queues = this.device.queueSizesMax.map(emptyQueue);
  }
}

const wordOf = (features: bigint, word: number): number =>
  word > 3 ? 0 : Number((features >> BigInt(32 * word)) & 0xffff_ffffn);
