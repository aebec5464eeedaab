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

/** What outlives the actor: {@link successionBytes} of memory, and a word that says which chain one has died of. */
export interface SuccessionParts {
  memory: NativeMemory;
  guilty: Int32Array;
}

export class Succession {
  ring: Ring | null = null;

  private readonly memory: NativeMemory;
  private readonly guilty: Int32Array;

  /** `chain`: whose request runs. */
  constructor(
    { memory, guilty }: SuccessionParts,
    private readonly form: CommandForm,
    private readonly chain: Chain,
  ) {
    this.memory = memory;
    this.guilty = guilty;
  }

  /** The head of the chain whose request runs. */
  get head(): number {
    return this.chain.head;
  }

  /** An actor in this place has died of the chain at `head`: it is not run again, also by who comes after us. */
  accuse(head: number): void {
    this.guilty[0] = head + 1;
  }

  /** The record of a ring that starts: the VMM's, or our own. Nothing of a ring before it is left. Throws a {@link Refusal}. */
  recordOf({ base, num, inflightFd, inflightOffset, inflightNum }: RingStart): InflightRing {
    const answers = new Uint32Array(this.memory.view(0, answersBytes(Math.max(num, inflightNum))));
    const own = this.memory.view(answersAll, inflightBytes(num));
    if (base >= 0) {
      answers.fill(0);
      new Uint8Array(own).fill(0);
    }
    const record =
      inflightFd < 0
        ? new InflightRing(own, num, answers)
        : InflightRing.open(inflightFd, inflightOffset, inflightNum, answers);
    const guilty = this.guilty[0]!;
    if (base < 0 && guilty > 0) record.condemn(guilty - 1, this.form.malformed);
    this.guilty[0] = 0;
    return record;
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
    return ring.answerOf(this.chain.head);
  }
}
