// What the ctrl queue has from a predecessor whose process has died: the command that it died of, and the journal, which can be
// followed once the guest's memory is there.

import type { QueueRunner } from "../queue/queue-runner.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { now } from "../runtime/timers.ts";
import { commandName } from "./commands/table.ts";
import type { Device } from "./device.ts";
import type { Journal } from "./journal/journal.ts";
import { contextName } from "./journal/kept-state.ts";
import type { KeptPixels } from "./journal/snapshot-file.ts";
import { KeptWord } from "./manifest.ts";
import type { CtrlQueueMessage } from "./messages.ts";
import { acquit, restoredText } from "./restore.ts";

/** Whether with this message of the session all is there that there was: the memory, and the ring where that goes on. */
export const isLastInherited = (message: CtrlQueueMessage): boolean =>
  message.type === "start-ring" || (message.type === "map-memory" && message.ringFollows !== true);

export class Inheritance {
  private readonly waiting: (() => void)[] = [];
  /** "SUBMIT_3D of context 2 (kmscube)": what the predecessor died of, or "" where nothing says that. */
  private readonly guilt: string;

  private constructor(
    private readonly context: ActorContext,
    private readonly device: Device,
    private readonly journal: Journal,
    queue: QueueRunner,
    private readonly startedAt: number,
  ) {
    this.guilt = this.accuse(queue);
  }

  /** Null where the guest has made nothing: what was asked for meanwhile need not wait then. Throws where not all of it is known. */
  static of(
    context: ActorContext,
    queue: QueueRunner,
    device: Device,
    journal: Journal,
    startedAt: number,
  ): Inheritance | null {
    if (journal.isOver) throw new Error("the guest has made more than the journal has room for");
    const inheritance = new Inheritance(context, device, journal, queue, startedAt);
    return journal.isEmpty ? null : inheritance;
  }

  /** Does `work` once what was inherited is there: it may be about what the guest's commands make that come first. */
  putOff(work: () => void): void {
    this.waiting.push(work);
  }

  /** Makes all of it again, with these pixels; the guest's memory is there. */
  take(pixels: ReadonlyMap<number, KeptPixels> | null): void {
    const { journal, device, context } = this;
    const isLeftOut = this.judge();
    journal.isPaused = true;
    const restored = device.restore(journal.read(), pixels);
    journal.isPaused = false;
    if (isLeftOut) restored.left++;
    const { resources, left, contexts } = restored;
    if (resources + left + contexts.length === 0 && this.guilt === "") return;
    const ms = Math.round(now() - this.startedAt);
    const guilt = this.guilt === "" ? "" : `; ${this.guilt} is not run again`;
    context.log.warning(`took over in ${ms} ms: ${restoredText(restored)}${guilt}`);
  }

  /** Does what has waited. */
  goOn(): void {
    for (const work of this.waiting.splice(0)) work();
  }

  /** Nothing of it is made again. */
  abandon(): void {
    acquit(this.context.keep);
    this.goOn();
  }

  /**
   * What a predecessor died of as it made that again is tried once more, since somebody else may have killed it, and then left out.
   * Returns whether it is. One may die between any two of these steps.
   */
  private judge(): boolean {
    const { keep } = this.context;
    const id = keep[KeptWord.restoring]! >>> 0;
    const isDeadly = id !== 0 && keep[KeptWord.trying] !== 0;
    if (isDeadly) this.journal.leaveOut(id);
    else if (id !== 0) keep[KeptWord.suspect] = id;
    keep[KeptWord.trying] = 0;
    keep[KeptWord.restoring] = 0;
    return isDeadly;
  }

  private accuse(queue: QueueRunner): string {
    const { keep } = this.context;
    const type = keep[KeptWord.command]! >>> 0;
    if (type === 0) return "";
    queue.succession?.accuse(keep[KeptWord.head]!);
    keep[KeptWord.command] = 0;
    const id = keep[KeptWord.context]! >>> 0;
    if (id === 0) return commandName(type);
    const kept = this.journal.read().contexts.get(id);
    const name = kept === undefined ? "" : contextName(kept.create);
    if (name !== "") {
      this.journal.died(name);
      this.context.send("supervisor", { type: "context-named", context: id, name });
    }
    return `${commandName(type)} of context ${id}${name === "" ? "" : ` (${name})`}`;
  }
}
