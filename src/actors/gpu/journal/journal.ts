// The journal: what the guest has made, for a ctrl queue that takes the place of one whose process has died. It holds requests
// as they were run; what they make is the guest's, and is checked as theirs when they are run again.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";
import {
  Command,
  DetachBacking,
  OfResource,
  ResourceUnref,
  ResourceUuid,
  scanoutsMax,
  SetScanout,
  SetScanoutBlob,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import { JournalLog } from "./journal-log.ts";
import { JournalKind, KeptState } from "./kept-state.ts";

/** It is written anew when it is so many times as long as it was then, and no shorter than this. */
const growth = 4;
const rewriteBytesMin = 512 * 1024;
/** Deaths in contexts of one name before no more of them are made; and how many names are remembered. */
const deathsMax = 3;
const namesMax = 64;
const uuidWords = 5;

export class Journal {
  /** Nothing is written while this is so: what runs is there already, or is nobody's. */
  isPaused = false;
  private readonly log: JournalLog;
  private readonly deaths: Map<string, number>;
  /** The resource on each scanout, or 0. */
  private readonly shown = new Uint32Array(scanoutsMax);
  private readonly uuid = new Uint32Array(uuidWords);
  private rewriteAt = rewriteBytesMin;
  /** What the records say, while nothing was added to them since they were read. */
  private folded: KeptState | null = null;

  /** `memory` is the area "journal". */
  constructor(memory: NativeMemory) {
    this.log = new JournalLog(memory);
    const kept = this.log.bytes === 0 ? null : this.read();
    this.deaths = new Map(kept?.deaths);
    for (let scanout = 0; scanout < scanoutsMax; scanout++) {
      const placed = this.log.placed(scanout);
      if (placed === null) continue;
      const id = placed[SetScanout.resourceId / 4]!;
      const resource = kept?.resources.get(id);
      const isBare = resource?.isBare === true && resource.backing === null;
      // A predecessor died between the end of what was shown and that of its being shown; the next of that id is another.
      if (resource === undefined || (isBare && placed[0] === Command.SET_SCANOUT_BLOB))
        this.log.empty(scanout);
      else this.shown[scanout] = id;
    }
  }

  /** Whether a predecessor has left anything. */
  get isEmpty(): boolean {
    return this.log.bytes === 0;
  }

  /** Whether the guest has made more than there is room for: what is read lacks some of it. */
  get isOver(): boolean {
    return this.log.isOver;
  }

  /** What the guest has made until now. */
  read(): KeptState {
    const state = (this.folded ??= KeptState.of(this.log.records()));
    for (let scanout = 0; scanout < scanoutsMax; scanout++)
      state.scanouts[scanout] = this.log.placed(scanout);
    return state;
  }

  /** The driver has negotiated these. */
  featuresAre(features: number): void {
    this.add(JournalKind.features, Uint32Array.of(features), 1);
  }

  /** `request` was run with success. */
  keep(request: Request): void {
    const { words, type } = request;
    switch (type) {
      case Command.SET_SCANOUT:
      case Command.SET_SCANOUT_BLOB:
        return this.show(words);
      case Command.RESOURCE_ASSIGN_UUID:
        return this.keepUuid(request);
    }
    this.add(JournalKind.request, words, (request.length + 3) >>> 2);
    // Only then: what is shown of something that is not there, nobody shows again.
    if (type === Command.RESOURCE_UNREF) this.hide(words[ResourceUnref.resourceId / 4]!);
    if (type === Command.RESOURCE_DETACH_BACKING)
      this.hide(words[DetachBacking.resourceId / 4]!, Command.SET_SCANOUT_BLOB);
  }

  private keepUuid(request: Request): void {
    const { uuid } = this;
    uuid[0] = request.u32(OfResource.resourceId);
    const at = ResourceUuid.uuid / 4;
    uuid.set(request.responseWords.subarray(at, at + uuidWords - 1), 1);
    this.add(JournalKind.uuid, uuid, uuidWords);
  }

  /** The guest has what `state` says, and nothing else. */
  fill(state: KeptState): void {
    for (const shown of state.scanouts) if (shown !== null) this.show(shown);
    this.folded = null;
    if (!this.log.rewrite((append) => state.write(append))) this.log.overflow();
  }

  /** The resource is not to be made again, as if the guest had ended it. */
  leaveOut(resource: number): void {
    this.hide(resource);
    const words = new Uint32Array(ResourceUnref.bytes / 4);
    words[0] = Command.RESOURCE_UNREF;
    words[ResourceUnref.resourceId / 4] = resource;
    this.add(JournalKind.request, words, words.length);
  }

  /** Somebody has died in a context of this name. Returns how many have. */
  died(name: string): number {
    const count = (this.deaths.get(name) ?? 0) + 1;
    if (count > 1 || this.deaths.size < namesMax) this.deaths.set(name, count);
    this.rewrite();
    return count;
  }

  /** Whether so many have died in contexts of this name that none is made any more. */
  isDeadly(name: string): boolean {
    return this.deaths.size > 0 && (this.deaths.get(name) ?? 0) >= deathsMax;
  }

  /** The guest has made nothing. */
  clear(): void {
    if (this.isPaused) return;
    this.deaths.clear();
    this.shown.fill(0);
    this.folded = null;
    this.log.clear();
    this.rewriteAt = rewriteBytesMin;
  }

  close(): void {
    this.log.close();
  }

  /** Guests flip pages by this: it makes no object, and takes no room. */
  private show(words: Uint32Array): void {
    if (this.isPaused) return;
    const scanout = words[SetScanout.scanoutId / 4]!;
    const resource = words[SetScanout.resourceId / 4]!;
    this.shown[scanout] = resource;
    const bytes = words[0] === Command.SET_SCANOUT ? SetScanout.bytes : SetScanoutBlob.bytes;
    if (resource === 0) this.log.empty(scanout);
    else this.log.put(scanout, words, bytes / 4);
  }

  /** The resource is not shown any more: where it is by a command of type `by`, if that is said. */
  private hide(resource: number, by = 0): void {
    if (this.isPaused) return;
    for (let scanout = 0; scanout < scanoutsMax; scanout++) {
      if (this.shown[scanout] !== resource) continue;
      if (by !== 0 && this.log.placed(scanout)?.[0] !== by) continue;
      this.shown[scanout] = 0;
      this.log.empty(scanout);
    }
  }

  private add(kind: number, words: Uint32Array, count: number): void {
    if (this.isPaused || this.log.isOver) return;
    if (this.log.bytes >= this.rewriteAt || !this.log.hasRoom(count)) this.rewrite();
    this.folded = null;
    if (this.log.hasRoom(count)) this.log.append(kind, words, 0, count);
    else this.log.overflow();
  }

  /** Leaves out what was undone. */
  private rewrite(): void {
    const state = this.read();
    state.deaths.clear();
    for (const [name, count] of this.deaths) state.deaths.set(name, count);
    this.log.rewrite((append) => state.write(append));
    // Its words lie where the next one writes.
    this.folded = null;
    this.rewriteAt = Math.max(rewriteBytesMin, growth * this.log.bytes);
  }
}
