// What a queue's next actor has to know, should this one die: which chains are under way, and which of those have run.

import { answersBytes, InflightRing } from "../../transport/virtio/inflight.ts";
import { inflightBytes, queueSizeMax } from "../../transport/virtio/layout.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { Chain } from "../../transport/virtio/chain.ts";
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
  /** That of the ring that runs, if any. */
  private record: InflightRing | null = null;

  /** `chain`: whose request runs. */
  constructor(
    private readonly parts: SuccessionParts,
    private readonly form: CommandForm,
    private readonly chain: Chain,
  ) {}

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
    const { record, form } = this;
    if (record !== null && (bytes === form.headerBytes || type >= form.firstError))
      record.answered(this.chain.head, type);
  }

  /** The same of one that was parked, and is answered without a body. */
  ranParked(parked: Parked, type: number): void {
    this.record?.answered(parked.chain.head, type);
  }
}
