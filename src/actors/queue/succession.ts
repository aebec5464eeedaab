// What a queue's next actor has to know, should this one die: which chains are under way, and which of those have run.

import { answersBytes, InflightRing } from "../../transport/virtio/inflight.ts";
import { inflightBytes, queueSizeMax } from "../../transport/virtio/layout.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { Chain } from "../../transport/virtio/chain.ts";
import type { Ring } from "../../transport/virtio/ring.ts";
import type { CommandForm } from "./command-form.ts";
import type { RingStart } from "./messages.ts";
import type { Parked } from "./queue-handler.ts";

const answersAll = answersBytes(queueSizeMax);
/** Bytes of the memory that outlives the actor. */
export const successionBytes = answersAll + inflightBytes(queueSizeMax);

export class Succession {
  /** The head of the chain that an actor in this place died of, or -1: it is not run again. */
  guiltyHead = -1;
  ring: Ring | null = null;

  /** `memory`: {@link successionBytes} of it. `chain`: whose request runs. */
  constructor(
    private readonly memory: NativeMemory,
    private readonly form: CommandForm,
    private readonly chain: Chain,
  ) {}

  /** The head of the chain whose request runs. */
  get head(): number {
    return this.chain.head;
  }

  /** The record of a ring that starts: the VMM's, or our own. Nothing of a ring before it is left. Throws a {@link Refusal}. */
  recordOf({ base, num, inflightFd, inflightOffset, inflightNum }: RingStart): InflightRing {
    const answers = new Uint32Array(this.memory.view(0, answersBytes(Math.max(num, inflightNum))));
    const own = this.memory.view(answersAll, inflightBytes(num));
    if (base >= 0) {
      answers.fill(0);
      new Uint8Array(own).fill(0);
    }
    return inflightFd < 0
      ? new InflightRing(own, num, answers)
      : InflightRing.open(inflightFd, inflightOffset, inflightNum, answers);
  }

  /** The request that runs has done all that it does, and is answered with `bytes` of this type. */
  ran(type: number, bytes: number): void {
    if (type >= this.form.firstError || bytes === this.form.headerBytes)
      this.ring?.answered(this.chain.head, type);
  }

  /** The same of one that was parked, and is answered without a body. */
  ranParked(parked: Parked, type: number): void {
    this.ring?.answered(parked.chain.head, type);
  }

  /** What a chain that was taken before is answered, by somebody who is gone; 0 where that had not come to it. */
  answerOf(ring: Ring): number {
    const { head } = this.chain;
    if (head !== this.guiltyHead) return ring.answerOf(head);
    this.guiltyHead = -1;
    return this.form.malformed;
  }
}
