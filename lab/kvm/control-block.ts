// What the VMM's main thread and its vCPU share besides the guest: a few words, a config space, a last sentence.

import { Queue } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { QueueSetup } from "./mmio-registers.ts";

/** What the vCPU asks of the main thread, and waits for. */
export const Request = { NONE: 0, START: 1, RESET: 2, WRITE_CONFIG: 3 } as const;

/** Why the machine has ended. */
const endings = ["done", "gave-up", "shutdown", "memory", "cpu", "stopped"] as const;
export type Ending = (typeof endings)[number];

/** The reasons for which KVM_RUN came back to the VMM. */
const exitKinds = ["io", "mmio", "interrupted", "other"] as const;
type ExitKind = (typeof exitKinds)[number];

const configBytes = 24;
const sentenceBytesMax = 512;

const Word = {
  thread: 0,
  stop: 1,
  request: 2,
  accepted: 3,
  frames: 4,
  framesMax: 5,
  ending: 6,
  sentenceBytes: 7,
  tscKhz: 8,
  configGeneration: 9,
  configChanged: 10,
  configOffset: 11,
  configLength: 12,
  features: 13,
  exits: 15,
  usedSeen: 20,
  queues: 22,
  count: 22 + 5 * Queue.count,
} as const;
const Part = { size: 0, descriptors: 1, avail: 2, used: 3, ready: 4, words: 5 } as const;
const configAt = Word.count * 4;
const sentenceAt = configAt + configBytes;
const running = -1;

export class ControlBlock {
  private readonly words: Int32Array;
  /** struct virtio_gpu_config; what is to be written lies there too while the vCPU waits. */
  readonly config: Uint8Array;

  constructor(readonly buffer = new SharedArrayBuffer(sentenceAt + sentenceBytesMax)) {
    this.words = new Int32Array(buffer, 0, Word.count);
    this.config = new Uint8Array(buffer, configAt, configBytes);
  }

  static create(): ControlBlock {
    const block = new ControlBlock();
    block.words[Word.ending] = running;
    block.framesMax = 0x7fff_ffff;
    return block;
  }

  /** The vCPU's thread, 0 before it has begun. */
  get thread(): number {
    return this.get(Word.thread);
  }

  set thread(id: number) {
    this.set(Word.thread, id);
  }

  get tscKhz(): number {
    return this.get(Word.tscKhz);
  }

  set tscKhz(khz: number) {
    this.set(Word.tscKhz, khz);
  }

  /** Whether the main thread wants the vCPU to end. */
  get isStopping(): boolean {
    return this.get(Word.stop) !== 0;
  }

  stop(): void {
    this.set(Word.stop, 1);
    for (const word of [Word.request, Word.framesMax]) Atomics.notify(this.words, word);
  }

  /** Frames that the guest has drawn, the first one included. */
  get frames(): number {
    return this.get(Word.frames);
  }

  /** How many it may draw: then it waits. */
  set framesMax(count: number) {
    this.set(Word.framesMax, count);
    Atomics.notify(this.words, Word.framesMax);
  }

  /** Whether the guest waits to be allowed another frame. */
  get isHeld(): boolean {
    return this.frames >= this.get(Word.framesMax);
  }

  /** By the vCPU: another frame is there. Waits until it may go on. */
  addFrame(tell: () => void): void {
    const frames = Atomics.add(this.words, Word.frames, 1) + 1;
    tell();
    for (
      let max = this.get(Word.framesMax);
      frames >= max && !this.isStopping;
      max = this.get(Word.framesMax)
    )
      Atomics.wait(this.words, Word.framesMax, max);
  }

  countExit(kind: ExitKind): void {
    Atomics.add(this.words, Word.exits + exitKinds.indexOf(kind), 1);
  }

  exits(kind: ExitKind): number {
    return this.get(Word.exits + exitKinds.indexOf(kind));
  }

  /** By the vCPU: asks the main thread, and waits for it. Returns whether that has accepted. */
  ask(request: number, tell: () => void): boolean {
    this.set(Word.request, request);
    tell();
    while (this.get(Word.request) === request && !this.isStopping)
      Atomics.wait(this.words, Word.request, request);
    return this.get(Word.accepted) !== 0;
  }

  /** What is asked, if anything. */
  get request(): number {
    return this.get(Word.request);
  }

  answer(accepted: boolean): void {
    this.set(Word.accepted, accepted ? 1 : 0);
    this.set(Word.request, Request.NONE);
    Atomics.notify(this.words, Word.request);
  }

  /** With Request.START: what the driver has set up. */
  get features(): bigint {
    const word = (at: number): bigint => BigInt(this.get(Word.features + at) >>> 0);
    return (word(1) << 32n) | word(0);
  }

  set features(features: bigint) {
    for (const at of [0, 1])
      this.set(Word.features + at, Number(BigInt.asIntN(32, features >> BigInt(32 * at))));
  }

  get queues(): QueueSetup[] {
    return Array.from({ length: Queue.count }, (_, index) => {
      const part = (at: number): number => this.get(Word.queues + index * Part.words + at) >>> 0;
      return {
        size: part(Part.size),
        descriptors: part(Part.descriptors),
        avail: part(Part.avail),
        used: part(Part.used),
        ready: part(Part.ready) !== 0,
      };
    });
  }

  /** Addresses below 4 GiB: the guest's memory ends there. */
  set queues(queues: readonly QueueSetup[]) {
    queues.forEach(({ size, descriptors, avail, used, ready }, index) => {
      const parts = [size, descriptors, avail, used, ready ? 1 : 0];
      parts.forEach((value, at) => this.set(Word.queues + index * Part.words + at, value | 0));
    });
  }

  /** Where the used ring of a queue lies, without an object. */
  usedAddress(queue: number): number {
    return this.get(Word.queues + queue * Part.words + Part.used) >>> 0;
  }

  /** The used index that the driver was told of last. */
  usedSeen(queue: number): number {
    return this.get(Word.usedSeen + queue);
  }

  seeUsed(queue: number, index: number): void {
    this.set(Word.usedSeen + queue, index);
  }

  get configGeneration(): number {
    return this.get(Word.configGeneration);
  }

  /** By the main thread: the config space is another one now. The driver is told where it has not done that itself. */
  changeConfig(bytes: Uint8Array, isTold: boolean): void {
    this.config.set(bytes);
    Atomics.add(this.words, Word.configGeneration, 1);
    if (isTold) this.set(Word.configChanged, 1);
  }

  get hasConfigChanged(): boolean {
    return this.get(Word.configChanged) !== 0;
  }

  takeConfigChanged(): boolean {
    return Atomics.exchange(this.words, Word.configChanged, 0) !== 0;
  }

  /** With Request.WRITE_CONFIG. */
  get configWrite(): { offset: number; bytes: Uint8Array } {
    const offset = this.get(Word.configOffset);
    return { offset, bytes: this.config.slice(offset, offset + this.get(Word.configLength)) };
  }

  setConfigWrite(offset: number, bytes: Uint8Array): void {
    this.set(Word.configOffset, offset);
    this.set(Word.configLength, bytes.length);
    this.config.set(bytes, offset);
  }

  /** By the vCPU, last of all. */
  end(ending: Ending, sentence: string): void {
    const text = new Uint8Array(this.buffer, sentenceAt, sentenceBytesMax);
    this.words[Word.sentenceBytes] = new TextEncoder().encodeInto(sentence, text).written;
    this.set(Word.ending, endings.indexOf(ending));
  }

  get ending(): { ending: Ending; sentence: string } | null {
    const index = this.get(Word.ending);
    if (index === running) return null;
    const text = new Uint8Array(this.buffer, sentenceAt, this.words[Word.sentenceBytes]).slice();
    return { ending: endings[index]!, sentence: new TextDecoder().decode(text) };
  }

  private get(word: number): number {
    return Atomics.load(this.words, word);
  }

  private set(word: number, value: number): void {
    Atomics.store(this.words, word, value);
  }
}
