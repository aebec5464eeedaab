// What a guest has made, as the requests that would make it again: those that were run, less all that later ones have undone.

import {
  Command,
  CtxCreate,
  DetachBacking,
  scanoutsMax,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Append, JournalRecord } from "./journal-log.ts";
import { fold, type Kept, type KeptContext, type KeptResource } from "./kept-commands.ts";

/**
 * What a record is. `request`: a request that was run. `uuid`: a resource, and the four words of its UUID. `features`: those
 * that the driver has negotiated. `death`: how often somebody has died in a context that is called so, in UTF-8.
 */
export const JournalKind = { request: 1, uuid: 2, features: 3, death: 4 } as const;

export class KeptState implements Kept {
  features = 0;
  readonly contexts = new Map<number, KeptContext>();
  readonly resources = new Map<number, KeptResource>();
  /** The request by which each scanout shows what it does, or null. */
  readonly scanouts: (Uint32Array | null)[] = Array.from({ length: scanoutsMax }, () => null);
  readonly deaths = new Map<string, number>();

  static of(records: Iterable<JournalRecord>): KeptState {
    const state = new KeptState();
    for (const record of records) state.take(record);
    return state;
  }

  get isEmpty(): boolean {
    return this.contexts.size === 0 && this.resources.size === 0;
  }

  /** Writes the records of this state alone. */
  writeAll(append: Append): void {
    this.write(append);
    for (const shown of this.scanouts) if (shown !== null) append(JournalKind.request, shown);
  }

  /** The same but for what is shown, which has places of its own in a journal. */
  write(append: Append): void {
    const { request, uuid, features, death } = JournalKind;
    append(features, Uint32Array.of(this.features));
    for (const { create } of this.contexts.values()) append(request, create);
    for (const [id, resource] of this.resources) {
      append(request, resource.create);
      if (resource.isBare) append(request, detachOf(id));
      if (resource.backing !== null) append(request, resource.backing);
      if (resource.uuid !== null) append(uuid, resource.uuid);
    }
    for (const { attached } of this.contexts.values())
      for (const one of attached.values()) append(request, one);
    for (const [name, count] of this.deaths) append(death, deathOf(name, count));
  }

  private take({ kind, words }: JournalRecord): void {
    if (kind === JournalKind.request) fold(this, words);
    if (kind === JournalKind.features) this.features = words[0]!;
    if (kind === JournalKind.death && words.length >= 2) this.deaths.set(nameOf(words), words[0]!);
    if (kind !== JournalKind.uuid) return;
    const resource = this.resources.get(words[0]!);
    if (resource !== undefined) resource.uuid = words;
  }

  unref(id: number): void {
    this.resources.delete(id);
    for (const { attached } of this.contexts.values()) attached.delete(id);
  }

  show(scanout: number, words: Uint32Array): void {
    if (scanout < scanoutsMax) this.scanouts[scanout] = words;
  }

  setBacking(id: number, backing: Uint32Array | null): void {
    const resource = this.resources.get(id);
    if (resource === undefined) return;
    resource.backing = backing;
    if (backing === null && resource.create[0] === Command.RESOURCE_CREATE_BLOB) resource.isBare = true;
  }
}

/** What a context is called in its CTX_CREATE: mostly the guest's process, or "". */
export function contextName(create: Uint32Array): string {
  const length = Math.min(create[CtxCreate.nameLength / 4]!, CtxCreate.nameBytesMax);
  const bytes = new Uint8Array(create.buffer, create.byteOffset + CtxCreate.name, length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function detachOf(id: number): Uint32Array {
  const words = new Uint32Array(DetachBacking.bytes / 4);
  words[0] = Command.RESOURCE_DETACH_BACKING;
  words[DetachBacking.resourceId / 4] = id;
  return words;
}

/** The count, the length of the name, and that in bytes. */
function deathOf(name: string, count: number): Uint32Array {
  const bytes = new TextEncoder().encode(name);
  const words = new Uint32Array(2 + Math.ceil(bytes.length / 4));
  words.set([count, bytes.length]);
  new Uint8Array(words.buffer).set(bytes, 8);
  return words;
}

function nameOf(words: Uint32Array): string {
  const length = Math.min(words[1]!, (words.length - 2) * 4);
  return new TextDecoder().decode(new Uint8Array(words.buffer, words.byteOffset + 8, length));
}
