// What a guest's driver does whatever it does: it sends commands that the model foresees, and draws into its own pages.

import type { HeaderFields, Rectangle } from "../../lab/driver/commands.ts";
import type { GuestBuffer, GuestRange } from "../../lab/driver/guest-memory.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import type { Chance } from "../../lab/fuzz/chance.ts";
import type { ScriptedRenderer } from "../support/scripted-renderer.ts";
import type { Answers } from "./answers.ts";
import { type Effect, type Foreseen, History, type Kind } from "./history.ts";
import type { Model } from "./model.ts";
import type { ModelResource } from "./model-parts.ts";

/** Resources and contexts have ids from 0 to here, so that chance finds the same ones again. */
export const idsEnd = 7;
export const contextsEnd = 4;
const sidesMax = 96;
/** More than the device has for all resources together. */
export const hugeSide = 0xffff;
/** Beyond the guest's memory. */
export const nowhere = { address: 0x7f00_0000, length: 4096 };

export class Hand {
  readonly history: History;
  chance: Chance = () => 0;
  protected readonly buffers = new Map<number, GuestBuffer>();

  constructor(
    readonly guest: SyntheticGuest,
    private readonly answers: Answers,
    /** Whether every mistake is left out. */
    readonly isClean: boolean,
    /** The one that is used now. */
    readonly renderer: () => ScriptedRenderer,
  ) {
    this.history = new History(guest.memory);
  }

  get model(): Model {
    return this.history.model;
  }

  /** Takes answers that have come. */
  look(): void {
    for (const queue of this.guest.queues) queue.collect();
    this.answers.check();
  }

  /** Waits for all answers. */
  finish(): void {
    for (const queue of this.guest.queues) {
      queue.commit();
      queue.waitAll();
    }
    this.answers.check();
    this.history.settle();
  }

  /** Memory in a few pieces, in any order. */
  pagesOf(id: number, length: number): GuestRange[] {
    const { chance } = this;
    const { model, guest } = this;
    const old = model.resources.get(id)?.backing;
    // What the device may still read is not given twice.
    if (old !== null && old !== undefined) return [...old];
    if (length === 0) return [];
    const buffer = guest.memory.allocate(length, 4);
    this.buffers.set(id, buffer);
    const cut = chance(3) === 0 ? 4 * chance(Math.floor(length / 4) + 1) : 0;
    const pieces = [
      { address: buffer.address + cut, length: length - cut },
      { address: buffer.address, length: cut },
    ];
    return pieces.filter((piece) => piece.length > 0);
  }

  scribble(resource = this.anyResource()): void {
    const buffer = resource === undefined ? undefined : this.buffers.get(resource.id);
    if (buffer === undefined) return;
    // The device may read what is under way when it likes.
    this.finish();
    const { chance } = this;
    const [from, step] = [chance(2 ** 31), 1 + chance(2 ** 20)];
    const { words } = buffer;
    for (let index = 0; index < words.length; index++) words[index] = from + index * step;
  }

  send(
    name: string,
    request: DataView,
    effect: Effect,
    header: HeaderFields,
    kind: Kind = "command",
  ): Foreseen {
    const { control, cursor } = this.guest;
    const queue = kind === "cursor" ? cursor : control;
    const foreseen = this.history.foresee(effect, kind);
    this.answers.expect(queue, name, request, foreseen, header, this.chance(4) === 0);
    return foreseen;
  }

  header(): HeaderFields {
    return this.chance(4) === 0 ? { fenceId: BigInt(this.chance(2 ** 31)) * 5n } : {};
  }

  isWrong(): boolean {
    return this.chance(8) === 0 && !this.isClean;
  }

  anyId(): number {
    return this.chance(idsEnd);
  }

  /** One for something new: none that is used, but by mistake. */
  newId(): number {
    const id = 1 + this.chance(idsEnd - 1);
    return this.isWrong() || !this.model.resources.has(id) ? id : this.freeId(id);
  }

  private freeId(from: number): number {
    for (let id = 1; id < idsEnd; id++) {
      const next = 1 + ((from + id) % (idsEnd - 1));
      if (!this.model.resources.has(next)) return next;
    }
    return from;
  }

  /** A context that takes work, where there is one. */
  anyContext(): number {
    const all = [...this.model.contexts].filter(([, { isLost }]) => !isLost);
    return this.isWrong() || all.length === 0 ? this.chance(contextsEnd) : all[this.chance(all.length)]![0];
  }

  anyResource(): ModelResource | undefined {
    const all = [...this.model.resources.values()];
    return this.isWrong() || all.length === 0 ? undefined : all[this.chance(all.length)]!;
  }

  sides(): [width: number, height: number] {
    const [width, height] = [1 + this.chance(sidesMax), 1 + this.chance(sidesMax)];
    if (!this.isWrong()) return [width, height];
    const wrong = this.chance(3);
    return wrong === 0 ? [0, height] : wrong === 1 ? [width, 0] : [hugeSide, hugeSide];
  }

  rectangle(resource: { width: number; height: number } | undefined): Rectangle {
    const { chance } = this;
    // A blob has no sides.
    const isFlat = resource !== undefined && resource.width > 0;
    const { width, height } = isFlat ? resource : { width: sidesMax, height: sidesMax };
    if (this.isWrong())
      return { x: chance(200), y: chance(200), width: chance(2 ** 32), height: chance(200) };
    const [x, y] = chance(2) === 0 ? [0, 0] : [chance(width), chance(height)];
    return { x, y, width: 1 + chance(width - x), height: 1 + chance(height - y) };
  }
}
