// What a recording holds, entry by entry: kinds, their numbers and their bodies. Version 1; docs/recording.md tells it to others.
// Details are bodies of msgpack, whose shapes are in details.ts.

/** How kinds are written. Numbers are for ever; a new kind takes a new one. */
export const EntryKind = {
  /** The first of all: its body is details. */
  start: 1,
  /** A queue has taken a command, whose request is the body: exactly as it was run. */
  command: 2,
  /** A command has its answer; the body is what follows the response's header. In the order in which the guest got them. */
  answer: 3,
  /** What is about to be read from a resource's backing, or was just read from it. */
  bytes: 4,
  /** A flush that reached a scanout. The body is empty, or the crc32 of the rectangle's rows, tightly packed. */
  frame: 5,
  /** The driver starts from nothing: all that it had made is forgotten. */
  reset: 6,
  /** A queue's ring was started, or stopped. */
  ring: 7,
  /** The guest's memory is now so: the body has 16 bytes a region, its guest-physical address and its length, u64 each. */
  memory: 8,
  /** Something from here on is not in the recording: the body is details. */
  missing: 9,
  /** The state of the device follows, from which a replay may begin. */
  keyframe: 16,
  /** A resource of that state. */
  resource: 17,
  /** A resource's backing; the body is as in RESOURCE_ATTACH_BACKING, 16 bytes a run. */
  backing: 18,
  /** Rows of a resource's pixels, four bytes each, tightly packed. What is not told is zero. */
  pixels: 19,
  /** What a scanout shows. */
  scanout: 20,
  /**
   * A cursor as it is here: of the keyframe before, which the other queue has written. x and y are signed. The body is its
   * image of 64 × 64 pixels, bytes B, G, R, A.
   */
  cursor: 21,
  /** The state is whole. */
  keyframeEnd: 22,
  /** A blob of that state; its `backing` follows. */
  blob: 23,
  /** As `bytes`, of a blob of that state: what some scanout shows of it. */
  blobBytes: 24,
  /** What a scanout shows of a blob. The body is how that lies: width, height, format, stride and offset, a u32 each. */
  blobScanout: 25,
  /** The last of all: the body is an {@link Details}. */
  end: 31,
} as const;
export type EntryName = keyof typeof EntryKind;

/** The numbers of each kind, u32 each, in the order of their columns. `queue` is 0 for ctrl and 1 for cursor. */
export const entryFields = {
  start: [],
  /** `id` counts the queue's commands; `room` is bytes for the answer. */
  command: ["queue", "id", "room"],
  answer: ["queue", "id", "type"],
  /** Rows of `rowBytes` that lie `stride` apart, from a byte of the backing on; the last row may be shorter. */
  bytes: ["resource", "offsetLow", "offsetHigh", "rowBytes", "stride"],
  /** `scanouts` is a bit for each that shows it. */
  frame: ["scanouts", "resource", "x", "y", "width", "height"],
  reset: ["queue"],
  /** `running` is 0 or 1; `features` what the driver negotiated, bits 0 to 23. */
  ring: ["queue", "running", "features", "num"],
  memory: [],
  missing: [],
  /** `contexts`, and resources that are `rendered`, are in no state that is told: with none a replay from here has all. */
  keyframe: ["features", "contexts", "rendered"],
  /** `flags`: of {@link ResourceFlag}. */
  resource: ["id", "format", "width", "height", "flags"],
  backing: ["resource"],
  pixels: ["resource", "row", "rows"],
  scanout: ["scanout", "resource", "x", "y", "width", "height"],
  cursor: ["scanout", "x", "y", "hotX", "hotY", "visible"],
  keyframeEnd: [],
  /** `mem` and `flags` as in RESOURCE_CREATE_BLOB. */
  blob: ["id", "mem", "flags", "sizeLow", "sizeHigh"],
  blobBytes: ["resource", "offsetLow", "offsetHigh", "rowBytes", "stride"],
  blobScanout: ["scanout", "resource", "x", "y", "width", "height"],
  end: [],
} as const satisfies Record<EntryName, readonly string[]>;

export const columnsMax = 6;

/** Of a keyframe's resource: made for 3D or moved to the renderer, so that no pixels of it follow; and whether it has a backing. */
export const ResourceFlag = { rendered: 1, backed: 2 } as const;

interface Common {
  /** Entries are counted from 0. */
  readonly number: number;
  /** Nanoseconds since the recording began. */
  readonly time: number;
  /** Valid until the next chunk is read. */
  readonly body: Uint8Array;
}

/** An entry as the reader returns it. */
export type Entry<Name extends EntryName = EntryName> = {
  [One in Name]: Common & { readonly kind: One } & {
    readonly [Field in (typeof entryFields)[One][number]]: number;
  };
}[Name];
