// What an actor lets the inspector see: records of fixed size in a ring of shared memory.

import { libc } from "../../../ffi/libc.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import type { Damage, Rect } from "../../../picture/damage.ts";
import {
  countsAt,
  countsMax,
  Field,
  Head,
  machinesMax,
  machineWords,
  namesAt,
  RecordKind,
  requestBytesMax,
  tapBytes,
} from "./layout.ts";
import { writeFields } from "./message-fields.ts";
import { NameTable } from "./names.ts";
import { TapRing } from "./tap-ring.ts";
import { Thinning } from "./thinning.ts";

export class Tap extends TapRing {
  /** Whether somebody reads, as of the last {@link look}. */
  isOn = false;
  /** The command that runs now, 0 while none does. A queue's commands are numbered from 1, on through all of its actors' lives. */
  command = 0;
  /** The command that was taken last. */
  last: number;

  private readonly headTimes: Float64Array;
  private readonly counts: Uint32Array;
  private readonly names: NameTable;
  private readonly thinning: Thinning;
  private countsUsed: number;
  /** Whether what the queue runs is nobody's, and the counts before that. */
  private isRehearsal = false;
  private readonly countsBefore = new Uint32Array(countsMax);
  /** Commands completed, and told, that the guest may not see yet. */
  private unseen = 0;
  /** Of the command that runs and was not told: its bytes, or -1 where there is none; the room for its answer, and it. */
  private untoldBytes = -1;
  private untoldRoom = 0;
  private untoldWords: Uint32Array = new Uint32Array(0);

  /** Writes to `memory`, which has {@link tapBytes} for this actor, and goes on where a predecessor has ended. */
  constructor(memory: NativeMemory) {
    super(memory);
    this.headTimes = new Float64Array(memory.view(0, namesAt));
    this.names = new NameTable(memory);
    this.counts = new Uint32Array(memory.view(countsAt, countsMax * 4));
    this.thinning = new Thinning(this.head);
    this.headTimes[Head.asleepSince / 2] = 0;
    this.head[Head.thread] = libc.gettid();
    this.last = this.head[Head.command]!;
    const machines = Math.min(this.head[Head.machines]!, machinesMax);
    const lastAt = Head.machineTable + (machines - 1) * machineWords;
    this.countsUsed = machines === 0 ? 0 : this.head[lastAt + 1]! + this.head[lastAt + 2]!;
  }

  /** What the queue runs from here on is nobody's: neither commands nor lives are told of, nor counted. */
  rehearse(): void {
    this.isRehearsal = true;
    this.countsBefore.set(this.counts);
  }

  endRehearsal(): void {
    this.isRehearsal = false;
    this.counts.set(this.countsBefore);
  }

  /** Looks whether somebody reads. Called once a turn. */
  look(): boolean {
    return (this.isOn = Atomics.load(this.head, Head.on) !== 0);
  }

  /** Returns itself while somebody reads, for a queue that serves some commands now. */
  whileRead(): Tap | null {
    if (!this.look() || this.isRehearsal) return null;
    this.command = 0;
    this.thinning.look();
    if (this.thinning.isThin) this.isStale = true;
    else this.tick();
    return this;
  }

  /** A command was copied in; it is the one that runs from here on. `room`: bytes for its answer. */
  commandTaken(words: Uint32Array, bytes: number, room: number): void {
    this.last = (this.last + 1) >>> 0 || 1;
    if (this.thinning.tells(bytes < 4 ? 0 : words[0]!)) return this.tell(words, bytes, room);
    this.command = 0;
    this.isStale = true;
    this.untoldBytes = bytes;
    this.untoldRoom = room;
    if (this.untoldWords !== words) this.untoldWords = words;
  }

  /** Tells of the command that runs now, if it was not: it is no longer one of many. */
  private reveal(): void {
    const { untoldBytes: bytes, untoldWords: words } = this;
    if (bytes < 0 || !this.thinning.tellsAfterAll(bytes < 4 ? 0 : words[0]!)) return;
    this.tell(words, bytes, this.untoldRoom);
  }

  /** A command that is told begins. */
  private tell(words: Uint32Array, bytes: number, room: number): void {
    this.command = this.head[Head.command] = this.last;
    this.untoldBytes = -1;
    if (!this.hasRoom()) return;
    if (this.isStale) this.tick();
    const at = this.begin(RecordKind.taken, this.command);
    const { ring } = this;
    ring[at + 4] = bytes;
    ring[at + 5] = room;
    const end = bytes < requestBytesMax ? (bytes + 3) >>> 2 : requestBytesMax / 4;
    for (let word = 0; word < end; word++) ring[at + Field.request + word] = words[word]!;
    // Seen before it runs: it may be the last that this actor ever does.
    this.show();
  }

  /** The command that runs has its answer. */
  commandRan(response: number, bytes: number, isError: boolean): void {
    if (isError) this.reveal();
    this.commandCompleted(this.command, response, bytes);
  }

  /** `command` has its answer; 0 is one that was not told. */
  commandCompleted(command: number, response: number, bytes: number): void {
    if (command === 0) {
      this.untoldBytes = -1;
      return;
    }
    this.unseen++;
    if (command === this.command) this.command = 0;
    const at = this.beginNow(RecordKind.completed, command);
    if (at < 0) return;
    this.ring[at + 4] = response;
    this.ring[at + 5] = bytes;
  }

  /** The command that runs is put off. Returns its number, by which it is completed; 0 where it is not told. */
  commandParked(): number {
    this.reveal();
    const { command } = this;
    if (command !== 0) this.beginNow(RecordKind.parked, command);
    return command;
  }

  /** No command runs: the last one was put off. */
  rest(): void {
    this.command = 0;
    this.untoldBytes = -1;
  }

  /** The guest sees what was completed. */
  published(isCalled: boolean): void {
    if (this.unseen === 0) return;
    const at = this.beginNow(RecordKind.published, 0);
    if (at >= 0) {
      this.ring[at + 4] = this.unseen;
      this.ring[at + 5] = isCalled ? 1 : 0;
    }
    this.unseen = 0;
    this.show();
  }

  kicked(): void {
    if (this.isOn && !this.thinning.isThin) this.beginNow(RecordKind.kicked, 0);
  }

  /** Makes room for the counts of a machine with `cells` in its table. Returns its number; -1 where there is none. */
  machine(name: string, cells: number, width: number): number {
    const { head } = this;
    const number = this.names.numberOf(name);
    const known = Math.min(head[Head.machines]!, machinesMax);
    for (let machine = 0; machine < known; machine++) {
      if (head[Head.machineTable + machine * machineWords] === number) return machine;
    }
    if (known === machinesMax || this.countsUsed + cells > countsMax) return -1;
    const at = Head.machineTable + known * machineWords;
    head[at] = number;
    head[at + 1] = this.countsUsed;
    head[at + 2] = cells;
    head[at + 3] = width;
    this.countsUsed += cells;
    Atomics.store(head, Head.machines, known + 1);
    return known;
  }

  /** Where {@link Lifecycle} counts the events of a machine, as its table lies; null where there is no room. */
  countsOf(machine: number): Uint32Array | null {
    if (machine < 0) return null;
    const [, first, cells] = this.head.subarray(Head.machineTable + machine * machineWords);
    return this.counts.subarray(first, first! + cells!);
  }

  /** An entity was in state `from` when `event` came, and is in another one, `to`, or has refused it with that. */
  lifecycle(machine: number, from: number, event: number, to: number, id: number, isRefused: boolean): void {
    if (!this.isOn || this.isRehearsal || machine < 0) return;
    if (isRefused) this.reveal();
    if (this.untoldBytes >= 0 || !this.hasRoom()) return;
    if (this.command === 0 || this.isStale) this.tick();
    const at = this.begin(isRefused ? RecordKind.refused : RecordKind.moved, this.command);
    this.write(at, machine, from, event, to);
    this.ring[at + 8] = id;
  }

  fence(kind: number, fence: number, context: number, ringIndex: number, isOfContext: boolean): void {
    if (!this.isOn) return;
    const isMade = kind === RecordKind.fenceMade;
    // Who waits for a fence is told.
    if (isMade) this.reveal();
    const at = this.beginNow(kind, isMade ? this.command : 0);
    if (at < 0) return;
    this.write(at, fence, context, ringIndex, isOfContext ? 1 : 0);
  }

  /** The stream that runs, and is told of, may have written a rectangle of a resource. */
  wrote(resource: number, x: number, y: number, width: number, height: number): void {
    if (!this.isOn || this.command === 0 || !this.hasRoom()) return;
    if (this.isStale) this.tick();
    const at = this.begin(RecordKind.wrote, this.command);
    this.write(at, resource, 0, 0, 0);
    this.write(at + 4, x, y, width, height);
  }

  /** A message is on its way to the actor of `slot`, with which it shares the count `number`. */
  sent(slot: number, number: number, type: string, message: object): void {
    this.head[Head.sentTo + slot] = number;
    const at = this.isOn ? this.beginNow(RecordKind.sent, this.command) : -1;
    if (at < 0) return;
    const fields = writeFields(message as Record<string, unknown>, this.names, this.ring, at + 8);
    this.write(at, slot, number, this.names.numberOf(type), fields);
    this.show();
  }

  received(slot: number, number: number, type: string): void {
    this.head[Head.takenFrom + slot] = number;
    const at = this.isOn ? this.beginNow(RecordKind.received, 0) : -1;
    if (at < 0) return;
    this.write(at, slot, number, this.names.numberOf(type), 0);
    this.show();
  }

  /** How many messages of `slot` were taken: what a picture shows is what they said. */
  takenFrom(slot: number): number {
    return this.head[Head.takenFrom + slot]!;
  }

  /** The actor is about to sleep. */
  sleeps(): void {
    this.tick();
    this.headTimes[Head.asleepSince / 2] = this.now;
    this.show();
  }

  wakes(): void {
    const { headTimes } = this;
    const since = headTimes[Head.asleepSince / 2]!;
    if (since === 0) return;
    this.tick();
    headTimes[Head.asleepSince / 2] = 0;
    this.head[Head.naps]!++;
    headTimes[Head.sleptNs / 2] = headTimes[Head.sleptNs / 2]! + this.now - since;
    if (this.head[Head.sleeps] === 0 || !this.isOn || !this.hasRoom()) return;
    this.doubles[(this.begin(RecordKind.slept, 0) + Field.first) / 2] = since;
  }

  /** The display is told of a rectangle of a scanout, or that all of it is shown or off, as `what` says. */
  shown(what: number, scanout: number, surface: number, resource: number, command: number, rect: Rect): void {
    const at = this.isOn ? this.beginNow(RecordKind.shown, command) : -1;
    if (at < 0) return;
    this.write(at, scanout, surface, resource, what);
    this.write(at + 4, rect.x, rect.y, rect.width, rect.height);
    this.show();
  }

  /** A sink begins to show `damage`, with all that the first `messages` of the ctrl queue's have said. */
  frameBegun(sink: string, scanout: number, surface: number, messages: number, damage: Damage): void {
    const at = this.isOn ? this.beginNow(RecordKind.frameBegun, 0) : -1;
    if (at < 0) return;
    const { left, top, right, bottom } = damage;
    this.write(at, scanout, surface, this.names.numberOf(sink), messages);
    this.write(at + 4, left, top, right - left, bottom - top);
    this.show();
  }

  /** The other side of a sink has all of the frame that was begun last. */
  frameShown(sink: string, scanout: number): void {
    const at = this.isOn ? this.beginNow(RecordKind.frameShown, 0) : -1;
    if (at < 0) return;
    this.write(at, scanout, 0, this.names.numberOf(sink), 0);
    this.show();
  }
}

/** Maps the tap of the actor of `slot` in the memory of all; {@link Tap.close} unmaps it. */
export const mapTap = (fd: number, slot: number): NativeMemory =>
  NativeMemory.mapShared(fd, slot * tapBytes, tapBytes, "write");
