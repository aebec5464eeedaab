// Other devices of the VM, which borrow what the guest has over the resource bridge, and keep it; some have no manners.

import { type Chance, mutated, oneIn } from "../../lab/fuzz/chance.ts";
import { Epoll, EPOLLIN } from "../../src/transport/os/epoll.ts";
import { SystemError } from "../../src/transport/os/errors.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { BridgeClient, BridgeFailure, type Lent } from "../../src/transport/wire/bridge/client.ts";
import { form2019 } from "../../src/transport/wire/bridge/form-2019.ts";
import { jsonForm } from "../../src/transport/wire/bridge/json-form.ts";
import { Mismatch } from "./answers.ts";
import { idsEnd } from "./hand.ts";
import type { History } from "./history.ts";
import type { ModelResource } from "./model-parts.ts";
import type { World } from "./world.ts";

/** The bridge has so long for an answer, in the simulation's time: also one that has to come back first. */
const patienceMs = 5_000;
const loansMax = 4;
const mutesMax = 3;

/** What one was lent, and keeps. */
interface Loan {
  readonly resource: ModelResource;
  readonly memory: NativeMemory;
  /** In words. */
  readonly first: number;
  readonly stride: number;
  /** What it holds for good, since it is no resource's memory any more; null while it is. */
  last: Uint32Array | null;
}

export class Borrowers {
  /** What was lent and compared, so far. */
  lent = 0;
  private readonly loans: Loan[] = [];
  private readonly mutes: BridgeClient[] = [];

  constructor(private readonly world: World) {}

  act(chance: Chance, history: History): void {
    const way = chance(6);
    if (way === 0) this.lie(chance);
    else if (way === 1) this.leaveAnswers(chance);
    else if (way === 2) this.mutes.splice(0).forEach((mute) => mute.close());
    else this.borrow(chance, history);
  }

  /** Looks at what was lent: it is the resource's memory for as long as that has it, and nobody else's ever. */
  check({ model }: History): void {
    const client = this.connect("json");
    if (client === null) throw new Mismatch("nobody listens for other devices");
    client.close();
    for (const loan of this.loans) {
      const { resource } = loan;
      const isThere = model.resources.get(resource.id) === resource;
      // What a scanout showed as it moved into the renderer shows it from there on, whenever that is flushed.
      if (isThere && resource.isRendered) continue;
      const held = wordsOf(loan);
      if (isThere) expectSame(resource, held, resource.pixels);
      else if (loan.last === null) loan.last = held;
      else expectSame(resource, held, loan.last);
    }
  }

  close(): void {
    for (const mute of this.mutes.splice(0)) mute.close();
    for (const { memory } of this.loans.splice(0)) memory.unmap();
  }

  /** All that the guest has committed is done, and nobody dies meanwhile, or what comes of it is not known. */
  private borrow(chance: Chance, history: History): void {
    const { takeovers } = history;
    const id = chance(idsEnd);
    const form = oneIn(chance, 2) ? jsonForm : form2019;
    const answer = this.ask(form.name, form.encodeRequest({ kind: "buffer", resource: id }));
    if (answer === null) return;
    const resource = history.model.resources.get(id);
    const isKnown = takeovers === history.takeovers;
    if (isKnown) this.compare(id, answer, resource);
    const isKept = isKnown && answer.kind === "buffer" && resource!.kind === "2d" && !resource!.isRendered;
    if (isKept && this.loans.length < loansMax) this.loans.push(loanOf(answer, resource!));
    closeFd(answer.fd);
  }

  private compare(id: number, answer: Lent, resource: ModelResource | undefined): void {
    // A blob of the guest's pages is its own.
    const isThere = resource !== undefined && resource.kind !== "blob" && !resource.isLost;
    if ((answer.kind === "buffer") !== isThere)
      throw new Mismatch(
        `the bridge says ${answer.kind} of resource ${id}, which is ${isThere ? "" : "not "}there`,
      );
    if (answer.kind !== "buffer" || resource!.kind === "host") return;
    const loan = loanOf(answer, resource!);
    try {
      expectSame(resource!, wordsOf(loan), resource!.pixels);
    } finally {
      loan.memory.unmap();
    }
    this.lent++;
  }

  /** Sends what is no request, or nearly one. */
  private lie(chance: Chance): void {
    const bytes = oneIn(chance, 2)
      ? Uint8Array.from({ length: 1 + chance(5000) }, () => chance(256))
      : mutated(chance, jsonForm.encodeRequest({ kind: "buffer", resource: chance(idsEnd) }));
    if (bytes.length > 0) closeFd(this.ask("json", bytes, true)?.fd ?? -1);
  }

  /** Asks again and again, and takes no answer. */
  private leaveAnswers(chance: Chance): void {
    if (this.mutes.length >= mutesMax) return;
    const mute = this.connect("2019");
    if (mute === null) return;
    this.mutes.push(mute);
    try {
      for (let left = 1 + chance(8); left > 0; left--)
        mute.send(form2019.encodeRequest({ kind: "buffer", resource: chance(idsEnd) }));
    } catch (error) {
      if (!(error instanceof BridgeFailure)) throw error;
    }
  }

  /** Null where the bridge has died with it, or where the answer to what is `odd` is none. Throws a {@link Mismatch}. */
  private ask(form: "json" | "2019", request: Uint8Array, odd = false): Lent | null {
    const client = this.connect(form);
    if (client === null) return null;
    const readable = new Epoll();
    readable.add(client.fd, EPOLLIN, () => {});
    try {
      client.send(request);
      if (!this.world.scheduler.until(() => readable.wait(0) > 0, patienceMs))
        throw new Mismatch(`the bridge has not answered within ${patienceMs} ms`);
      return client.receive();
    } catch (error) {
      const isGone = error instanceof BridgeFailure && (odd || error.message.includes("has closed"));
      if (!isGone) throw error;
      return null;
    } finally {
      readable.close();
      client.close();
    }
  }

  /** Null where there is no bridge just now. */
  private connect(form: "json" | "2019"): BridgeClient | null {
    try {
      return new BridgeClient(this.world.bridgePath, { form });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return null;
    }
  }
}

function loanOf(answer: Lent, resource: ModelResource): Loan {
  const planes = answer.kind === "buffer" ? answer.planes : null;
  const { offset, stride } = planes?.[0] ?? { offset: 0, stride: resource.width * 4 };
  const bytes = offset + stride * resource.height;
  const memory = NativeMemory.mapShared(answer.fd, 0, bytes, "read");
  return { resource, memory, first: offset / 4, stride: stride / 4, last: null };
}

/** Its pixels now. */
function wordsOf({ resource, memory, first, stride }: Loan): Uint32Array {
  const { width, height } = resource;
  const all = new Uint32Array(memory.view());
  const words = new Uint32Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = first + row * stride;
    words.set(all.subarray(from, from + width), row * width);
  }
  return words;
}

function expectSame({ id }: ModelResource, held: Uint32Array, pixels: Uint32Array): void {
  const at = held.findIndex((word, index) => word !== pixels[index]);
  if (at < 0) return;
  const [is, not] = [held[at]!.toString(16), pixels[at]!.toString(16)];
  throw new Mismatch(`what was lent of resource ${id} has 0x${is} at pixel ${at}, not 0x${not}`);
}
