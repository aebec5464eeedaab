// Snapshots: what the guest has, taken between two commands, for a server to whose rings a guest comes that is under way.

import { asRefusal, Refusal } from "../../transport/os/errors.ts";
import { memfdWith } from "../../transport/os/sent-bytes.ts";
import { BlobMem, Command, CreateBlob } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorName } from "../registry.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { AnswerTo } from "../runtime/asks.ts";
import type { CtrlQueueMessage, StateTold } from "./messages.ts";
import type { Device } from "./device.ts";
import type { Journal } from "./journal/journal.ts";
import { contextName, type KeptState } from "./journal/kept-state.ts";
import { type PixelsToKeep, snapshotBytes, writeSnapshot } from "./journal/snapshot-file.ts";
import { snapshotBytesMax } from "./manifest.ts";
import type { Resource } from "./model/resources.ts";
import { CpuPixels } from "./pixels/cpu-pixels.ts";

/** What other actors have of it; they wait for nobody. */
type Cursors = AnswerTo<{ type: "ask-cursor-states" }>;
type Outputs = AnswerTo<{ type: "ask-outputs" }>;
const patience = { again: true, timeoutMs: 2_500 } as const;

type Question = Extract<CtrlQueueMessage, { type: "ask-state" }>;
type Asker = "supervisor" | "vhost-session";
type Made = Omit<StateTold, "type" | "token" | "error">;

export class Snapshots {
  constructor(
    private readonly context: ActorContext,
    private readonly device: Device,
    private readonly journal: Journal,
  ) {}

  /** Returns false for what is not its message. */
  receive(message: CtrlQueueMessage, from?: ActorName): boolean {
    if (message.type !== "ask-state") return false;
    this.gather(message, from === "vhost-session" ? from : "supervisor");
    return true;
  }

  /** Answers with a file of all that the guest has, as far as it can be had, once others have told what they have of it. */
  private gather({ token, isWhole }: Question, asker: Asker): void {
    const { asks } = this.context;
    let cursors: Cursors | undefined;
    let outputs: Outputs | undefined;
    const tell = (): void => {
      if (cursors === undefined || outputs === undefined) return;
      this.context.send(asker, { type: "state", token, ...this.attempt(cursors, outputs, isWhole) });
    };
    asks.ask(
      "cursor-queue",
      { type: "ask-cursor-states" },
      (answer) => ((cursors = answer), tell()),
      patience,
    );
    asks.ask(
      "display",
      { type: "ask-outputs", changes: null },
      (answer) => ((outputs = answer), tell()),
      patience,
    );
  }

  private attempt(cursors: Cursors, outputs: Outputs, isWhole: boolean): Made & { error: string } {
    try {
      if (cursors === null) throw new Refusal("the cursor queue does not answer");
      if (outputs === null) throw new Refusal("the display does not answer");
      return { error: "", ...this.make(cursors, outputs, isWhole) };
    } catch (error) {
      return { error: asRefusal(error).message, fd: -1, bytes: 0, resources: 0, contexts: [] };
    }
  }

  private make(cursors: Cursors & object, outputs: Outputs & object, isWhole: boolean): Made {
    const { journal } = this;
    if (journal.isOver) throw new Refusal("the guest has made more than there is room for in the journal");
    const state = journal.read();
    const contexts = Array.from(state.contexts, ([id, { create }]) => contextName(create) || String(id));
    const lacking = isWhole ? lackingOf(state, contexts) : "";
    if (lacking !== "") throw new Refusal(`the guest has ${lacking}, which nobody can save`);
    const { cursorImages } = this.device;
    const parts = {
      state,
      pixels: this.pixelsOf(state),
      cursors: cursors.cursors.map((one) => ({ ...one, image: cursorImages.imageIn(one.slot) })),
      outputs: outputs.said === "vmm" ? [] : outputs.outputs,
    };
    const bytes = snapshotBytes(parts);
    if (bytes > snapshotBytesMax) throw new Refusal(`what the guest has would take ${bytes} bytes`);
    const fd = memfdWith("fencepost-snapshot", bytes, (file) => writeSnapshot(new Uint32Array(file), parts));
    return { fd, bytes, resources: state.resources.size, contexts };
  }

  /** Of all 2D resources into which anything was ever put. */
  private pixelsOf(state: KeptState): PixelsToKeep[] {
    const kept: PixelsToKeep[] = [];
    for (const [id, { create }] of state.resources) {
      const resource = this.device.model.resources.get(id);
      const is2d = create[0] === Command.RESOURCE_CREATE_2D && resource !== undefined;
      const one = is2d ? pixelsOf(resource) : null;
      if (one !== null) kept.push(one);
    }
    return kept;
  }
}

/** What of it is in the renderer alone, in words, or "". */
function lackingOf({ resources }: KeptState, contexts: readonly string[]): string {
  if (contexts.length > 0) return `3D contexts (${contexts.join(", ")})`;
  const isRenderers = (create: Uint32Array): boolean =>
    create[0] === Command.RESOURCE_CREATE_3D ||
    (create[0] === Command.RESOURCE_CREATE_BLOB && create[CreateBlob.blobMem / 4] !== BlobMem.GUEST);
  const count = [...resources.values()].filter(({ create }) => isRenderers(create)).length;
  return count === 0 ? "" : `${count} 3D resources`;
}

/** Null where nothing was ever put there. Throws a {@link Refusal} where they cannot be had. */
function pixelsOf({ id, width, height, pixels }: Resource): PixelsToKeep | null {
  const storage = pixels instanceof CpuPixels ? pixels.held : pixels.memory();
  if (storage === null && pixels instanceof CpuPixels) return null;
  if (storage === null || pixels.refreshMemory(0, 0, width, height) !== 0)
    throw new Refusal(`there is no room for the pixels of resource ${id}`);
  const stride = storage.stride / 4;
  const copy = (target: Uint32Array): void => {
    const rows = new Uint32Array(storage.view());
    for (let row = 0; row < height; row++)
      target.set(rows.subarray(row * stride, row * stride + width), row * width);
  };
  return { id, width, height, copy };
}
