// Decides which chunks are packed. That costs processor time; so does writing what is not packed, in pages of the page cache,
// and a disk may be slower than both.

import { nanoseconds } from "../../os/clock.ts";

/** What packs no better than this is left as it is. */
const worth = 0.9;
/** Smaller chunks are looked at by packing them. */
const sampledBytesMin = 128 * 1024;
const pieces = 16;
const pieceBytes = 1024;
/** While somebody waits, chunks are packed unless it takes so many times as long. */
const patience = 2;

/** Puts these bytes into the file, as packed ones or as they came. */
export type Store = (bytes: Uint8Array, isPacked: boolean) => void;

export class Packer {
  private readonly plain = new Cost();
  private readonly packed = new Cost();
  private readonly sample = new Uint8Array(pieces * pieceBytes);

  /** `level` is zstd's, `now` a clock of nanoseconds. */
  constructor(
    private readonly level: number,
    private readonly now: () => number = nanoseconds,
  ) {}

  /** Stores a chunk's bytes, packed where that pays; somebody waits for it where it `isHurried`. */
  store(bytes: Uint8Array, isHurried: boolean, store: Store): void {
    const began = this.now();
    const mayPack = !isHurried || this.packed.ofByte <= this.plain.ofByte * patience;
    const tried = mayPack && this.isWorthIt(bytes) ? this.pack(bytes) : bytes;
    const isPacked = tried.length < bytes.length;
    store(isPacked ? tried : bytes, isPacked);
    const [taken, other] = isPacked ? [this.packed, this.plain] : [this.plain, this.packed];
    taken.add(this.now() - began, bytes.length);
    other.age(bytes.length);
  }

  /** Whether pieces from all over it pack: noise and films do not, and would take as long as what does. */
  private isWorthIt(bytes: Uint8Array): boolean {
    if (bytes.length < sampledBytesMin) return true;
    const { sample } = this;
    const step = Math.floor(bytes.length / pieces);
    for (let piece = 0; piece < pieces; piece++) {
      sample.set(bytes.subarray(piece * step, piece * step + pieceBytes), piece * pieceBytes);
    }
    return this.pack(sample).length < sample.length * worth;
  }

  private pack(bytes: Uint8Array): Uint8Array {
    return Bun.zstdCompressSync(bytes as Uint8Array<ArrayBuffer>, { level: this.level });
  }
}

/** A cost is that of the last so many bytes, mostly; and it is not known of fewer than the least. */
const lastBytes = 64 * 1024 * 1024;
const knownBytesMin = 256 * 1024;

/** What it takes until bytes are in the file, one way. */
class Cost {
  private ns = 0;
  private bytes = 0;

  /** Nanoseconds for a byte; 0 where it is not known, so that it will be. */
  get ofByte(): number {
    return this.bytes < knownBytesMin ? 0 : this.ns / this.bytes;
  }

  add(ns: number, bytes: number): void {
    this.age(bytes);
    this.ns += ns;
    this.bytes += bytes;
  }

  /** So many bytes have passed: it may be another by now. */
  age(bytes: number): void {
    const kept = Math.max(0, 1 - bytes / lastBytes);
    this.ns *= kept;
    this.bytes *= kept;
  }
}
