// What a queue's next actor has to know, should this one die: which chains are under way, and which of those have run.

import { answersBytes, InflightRing } from "../../transport/virtio/inflight.ts";
import { inflightBytes, queueSizeMax } from "../../transport/virtio/layout.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { Chain } from "../../transport/virtio/chain.ts";
import type { Ring } from "../../transport/virtio/ring.ts";
import type { CommandForm } from "./command-form.ts";
import type { RingStart } from "./messages.ts";
import type { Parked } from "./queue-handler.ts";
import type { Request } from "./request.ts";

const answersAll = answersBytes(queueSizeMax);
const recordAll = inflightBytes(queueSizeMax);
/** Of a body that is kept, at most. */
const bodyWords = 4;
const bodiesAll = queueSizeMax * bodyWords * 4;
/** Bytes of the memory that outlives the actor. */
export const successionBytes = answersAll + recordAll + bodiesAll;

/** What outlives the actor: {@link successionBytes} of memory, and a word that says which chain one has died of. */
export interface SuccessionParts {
  memory: NativeMemory;
  guilty: Int32Array;
}

export class Succession {
  /** That of the ring that runs, if any. */
  private record: InflightRing | null = null;
  /** By head, that of an answer of the form's lasting type; whatever else the answer is, it means nothing. */
  private readonly bodies: Uint32Array;

  /** `chain` has `request`, which runs. */
  constructor(
    private readonly parts: SuccessionParts,
    private readonly form: CommandForm,
    private readonly chain: Chain,
    private readonly request: Request,
  ) {
    this.bodies = new Uint32Array(parts.memory.view(answersAll + recordAll, bodiesAll));
  }

  /** The head of the chain whose request runs. */
  get head(): number {
    return this.chain.head;
  }

  /** An actor in this place has died of the chain at `head`: it is not run again, also by who comes after us. */
  accuse(head: number): void {
    this.parts.guilty[0] = head + 1;
  }

  /** The record of a ring that starts: the VMM's, or our own. Nothing of a ring before it is left. Throws a {@link Refusal}. */
  recordOf({ base, num, inflightFd, inflightOffset, inflightNum }: RingStart): InflightRing {
    const { memory, guilty } = this.parts;
    const answers = new Uint32Array(memory.view(0, answersBytes(Math.max(num, inflightNum))));
    const own = memory.view(answersAll, inflightBytes(num));
    if (base >= 0) {
      answers.fill(0);
      new Uint8Array(own).fill(0);
    }
    const record =
      inflightFd < 0
        ? new InflightRing(own, num, answers)
        : InflightRing.open(inflightFd, inflightOffset, inflightNum, answers);
    const accused = guilty[0]!;
    if (base < 0 && accused > 0) record.condemn(accused - 1, this.form.malformed);
    guilty[0] = 0;
    return (this.record = record);
  }

  /** The ring does not run any more, or never did. */
  stopped(): void {
    this.record = null;
  }

  /** The request that runs has done all that it does, and is answered with `bytes` of this type. */
  ran(type: number, bytes: number): void {
    this.note(this.chain.head, type, bytes);
  }

  /** The same of the request that runs, but for its answer: that was parked. */
  ranParked(parked: Parked, type: number, bytes: number): void {
    this.note(parked.chain.head, type, bytes);
  }

  /**
   * Answers a chain that is taken again as it was before, by whoever is gone: the body is put in its place, and its bytes are told
   * `answering`. Returns the type, or 0 where the request has to be run.
   */
  repeat(ring: Ring, answering: { responseBytes: number }): number {
    const { form, bodies, chain, request } = this;
    const { head } = chain;
    const type = ring.answerOf(head);
    if (type !== form.lasting.type) return type;
    const { bodyBytes } = form.lasting;
    const at = head * bodyWords;
    request.responseWords.set(bodies.subarray(at, at + bodyBytes / 4), form.headerBytes / 4);
    answering.responseBytes = form.headerBytes + bodyBytes;
    return type;
  }

  private note(head: number, type: number, bytes: number): void {
    const { record, form } = this;
    if (record === null) return;
    if (bytes !== form.headerBytes && type < form.firstError) {
      if (type !== form.lasting.type) return;
      // Before the answer: one that is there has its body.
      this.keepBody(head);
    }
    record.answered(head, type);
  }

  private keepBody(head: number): void {
    const { form, bodies, request } = this;
    const at = form.headerBytes / 4;
    bodies.set(request.responseWords.subarray(at, at + form.lasting.bodyBytes / 4), head * bodyWords);
  }
}
