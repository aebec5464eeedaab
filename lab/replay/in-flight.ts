// Commands that are on their way: what reads or writes guest memory is done before that memory is written anew.

import type { CommandStep } from "../../src/recording/steps.ts";
import { Command, Submit3d } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { CommandResult, Submission } from "../driver/command-queue.ts";
import { Ccmd } from "../driver/virgl/protocol.ts";
import { type Extent, touches } from "./guest-bytes.ts";
import type { ReplayGuest, Wait } from "./replay-guest.ts";

interface Flight {
  readonly step: CommandStep;
  readonly submission: Submission;
  /** Guest memory that it reads; null where it reads none. */
  readonly reads: Extent | null;
  readonly isWriter: boolean;
}

const commandsMax = 100;
/** So many are sent at a time, where nobody waits: each kick costs more than a command. */
const heldMax = 32;
const bytesMax = 64 * 1024 * 1024;
/** No answer is longer. */
const roomMax = 1024 * 1024;

export class InFlight {
  private flights: Flight[] = [];
  private bytes = 0;
  /** Commands that the device has not been told of. */
  private held = 0;

  /** `landed` is told of each command once it is answered, and how. */
  constructor(
    private readonly replay: ReplayGuest,
    private readonly landed: (step: CommandStep, result: CommandResult) => void,
  ) {}

  /** What is to be waited for before there is room for `step`; null where there is. */
  room({ command: { body, number } }: CommandStep): Wait | null {
    const isTooMuch = (): boolean => this.bytes > 0 && this.bytes + body.length > bytesMax;
    if (this.flights.length < commandsMax && !isTooMuch()) return null;
    this.send();
    // Half of them at a time: to be woken for each would cost more than it.
    const most = this.flights.length >>> 1;
    const happened = (): boolean => {
      this.land();
      return this.flights.length <= most && !isTooMuch();
    };
    return { happened, what: `an answer before entry ${number}`, chains: commandsMax - most };
  }

  /** Sends a command for which there is {@link room}. */
  submit(step: CommandStep, reads: Extent | null): void {
    const { queue, body, room } = step.command;
    // Each chain has a descriptor.
    const responseBytes = Math.min(body.length === 0 ? Math.max(room, 1) : room, roomMax);
    const submission = this.replay.guest.queues[queue as 0 | 1]!.submit(body, { responseBytes, hold: true });
    this.bytes += body.length;
    this.flights.push({ step, submission, reads, isWriter: isWriter(body) });
    // What it reads will be waited for soon.
    if (++this.held === heldMax || reads !== null) this.send();
  }

  /** Sends what is held: before anybody waits for it. */
  send(): void {
    for (const queue of this.replay.guest.queues) queue.commit();
    this.held = 0;
  }

  /** Waits for all that has to do with this memory, and may touch it. */
  clear(extent: Extent): Wait | null {
    return this.settle(({ reads, isWriter }) => isWriter || (reads !== null && touches(reads, extent)));
  }

  /** Waits for every command of a queue, or of both. */
  settle(concerns: (flight: Flight) => boolean = () => true): Wait | null {
    const happened = (): boolean => {
      this.land();
      return !this.flights.some(concerns);
    };
    if (happened()) return null;
    this.send();
    const { command } = this.flights.find(concerns)!.step;
    return { happened, what: `the answer to entry ${command.number}`, chains: 1 };
  }

  settleQueue(queue: number): Wait | null {
    return this.settle(({ step }) => step.command.queue === queue);
  }

  /** Forgets what is not answered: the driver starts from nothing. */
  forget(): void {
    this.land();
    this.flights = [];
    this.bytes = this.held = 0;
  }

  /** Takes what is answered by now. */
  land(): void {
    for (const queue of this.replay.guest.queues) queue.collect();
    if (!this.flights.some(({ submission }) => submission.done)) return;
    const landed = this.flights.filter(({ submission }) => submission.done);
    this.flights = this.flights.filter(({ submission }) => !submission.done);
    for (const { step, submission } of landed) {
      this.bytes -= step.command.body.length;
      this.landed(step, submission.result);
    }
  }
}

/** Commands of a virgl stream whose last word says with this bit that the host writes to a backing. */
const fromHost: Readonly<Record<number, number>> = { [Ccmd.TRANSFER3D]: 2, [Ccmd.COPY_TRANSFER3D]: 2 };
/** And those after which it writes a query's result. */
const queries: ReadonlySet<number> = new Set([Ccmd.END_QUERY, Ccmd.GET_QUERY_RESULT]);

/** Whether the device may write to a backing for this. */
function isWriter(request: Uint8Array): boolean {
  if (request.length < 4) return false;
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  const type = view.getUint32(0, true);
  if (type === Command.TRANSFER_FROM_HOST_3D) return true;
  if (type !== Command.SUBMIT_3D) return false;
  for (let at: number = Submit3d.bytes; at + 4 <= view.byteLength;) {
    const header = view.getUint32(at, true);
    const last = at + (header >>> 16) * 4;
    const command = header & 0xff;
    if (queries.has(command)) return true;
    const direction = fromHost[command] ?? 0;
    if (direction !== 0 && last + 4 <= view.byteLength && view.getUint32(last, true) & direction) return true;
    at = last + 4;
  }
  return false;
}
