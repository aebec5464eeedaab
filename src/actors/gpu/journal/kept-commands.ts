// The commands that make or end something which a successor has to have: the least that each is long, and what it does to a state
// that is kept. The commands' table, the journal and snapshots all go by this list.

import {
  AttachBacking,
  Command,
  CreateBlob,
  CtxCreate,
  CtxResource,
  DetachBacking,
  Header,
  OfResource,
  ResourceCreate2d,
  ResourceCreate3d,
  ResourceUnref,
  SetScanout,
  SetScanoutBlob,
} from "../../../transport/wire/virtio-gpu/protocol.ts";

export interface KeptResource {
  readonly create: Uint32Array;
  /** For a blob: it was created with pages, and has none of those. */
  isBare: boolean;
  backing: Uint32Array | null;
  uuid: Uint32Array | null;
}

export interface KeptContext {
  readonly create: Uint32Array;
  readonly attached: Map<number, Uint32Array>;
}

/** What a guest has made: as much as these commands change of it. */
export interface Kept {
  readonly contexts: Map<number, KeptContext>;
  readonly resources: Map<number, KeptResource>;
  unref(id: number): void;
  setBacking(id: number, backing: Uint32Array | null): void;
  show(scanout: number, words: Uint32Array): void;
}

interface KeptCommand {
  readonly bytes: number;
  readonly fold: (state: Kept, words: Uint32Array) => void;
}

/** Every one of the creating commands has its resource here. */
const createdAt = CreateBlob.resourceId / 4;
const contextAt = Header.contextId / 4;
const resourceAt = CtxResource.resourceId / 4;

const making = (bytes: number): KeptCommand => ({
  bytes,
  fold: (state, words) => {
    state.resources.set(words[createdAt]!, { create: words, isBare: false, backing: null, uuid: null });
  },
});

/** Both have their scanout at the same place. */
const showing = (bytes: number): KeptCommand => ({
  bytes,
  fold: (state, words) => state.show(words[SetScanout.scanoutId / 4]!, words),
});

const commands: Readonly<Partial<Record<keyof typeof Command, KeptCommand>>> = {
  RESOURCE_CREATE_2D: making(ResourceCreate2d.bytes),
  RESOURCE_CREATE_3D: making(ResourceCreate3d.bytes),
  RESOURCE_CREATE_BLOB: making(CreateBlob.bytes),
  RESOURCE_UNREF: {
    bytes: ResourceUnref.bytes,
    fold: (state, words) => state.unref(words[ResourceUnref.resourceId / 4]!),
  },
  RESOURCE_ATTACH_BACKING: {
    bytes: AttachBacking.bytes,
    fold: (state, words) => state.setBacking(words[AttachBacking.resourceId / 4]!, words),
  },
  RESOURCE_DETACH_BACKING: {
    bytes: DetachBacking.bytes,
    fold: (state, words) => state.setBacking(words[DetachBacking.resourceId / 4]!, null),
  },
  // What it was answered is a record of its own.
  RESOURCE_ASSIGN_UUID: { bytes: OfResource.bytes, fold: () => undefined },
  SET_SCANOUT: showing(SetScanout.bytes),
  SET_SCANOUT_BLOB: showing(SetScanoutBlob.bytes),
  CTX_CREATE: {
    bytes: CtxCreate.bytes,
    fold: ({ contexts }, words) =>
      void contexts.set(words[contextAt]!, { create: words, attached: new Map() }),
  },
  CTX_DESTROY: {
    bytes: Header.bytes,
    fold: ({ contexts }, words) => void contexts.delete(words[contextAt]!),
  },
  CTX_ATTACH_RESOURCE: {
    bytes: CtxResource.bytes,
    fold: ({ contexts }, words) =>
      void contexts.get(words[contextAt]!)?.attached.set(words[resourceAt]!, words),
  },
  CTX_DETACH_RESOURCE: {
    bytes: CtxResource.bytes,
    fold: ({ contexts }, words) => void contexts.get(words[contextAt]!)?.attached.delete(words[resourceAt]!),
  },
};

const byType: ReadonlyMap<number, KeptCommand> = new Map(
  Object.entries(commands).map(([name, command]) => [Command[name as keyof typeof Command], command]),
);

export const isKept = (type: number): boolean => byType.has(type);

/** Whether that many bytes can be such a command. */
export const isKeptRequest = (type: number, bytes: number): boolean =>
  bytes >= (byType.get(type)?.bytes ?? Infinity);

/** Does to `state` what a request does, where it is one of these. */
export function fold(state: Kept, words: Uint32Array): void {
  const command = byType.get(words[0]!);
  if (command !== undefined && words.byteLength >= command.bytes) command.fold(state, words);
}
