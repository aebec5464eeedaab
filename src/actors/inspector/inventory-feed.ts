// What the guest has made, as the inspector tells it: times, names and ids as in feed.ts.

/** What there is now: asked for twice a second. Names of contexts are the guest's: escape them. */
export interface Inventory {
  resources: ResourceRecord[];
  contexts: ContextRecord[];
  fences: FenceRecord[];
  /**
   * What the ctrl queue is in the midst of, and for how long, where it has not answered for {@link stuckMs}: the library has
   * not come back. What is told beside it is as it was before, and fences are those that the tap knows of.
   */
  unanswered: UnansweredRecord | null;
}

export interface UnansweredRecord {
  /** "queue:number", or "" where it is in no command. */
  command: string;
  type: string;
  context: number;
  contextName: string;
  resource: number;
  /** Since it was taken; or since the queue was asked, where it is in no command. */
  ageMs: number;
}

export interface ResourceRecord {
  id: number;
  state: string;
  width: number;
  height: number;
  format: string;
  /** Host memory that it takes; and of a blob its length and how it was last shown, else "". */
  bytes: number;
  blob: string;
  /** Guest memory that backs it, and in how many runs. */
  backingBytes: number;
  backingRuns: number;
  scanouts: number[];
  surface: number;
  /** What RESOURCE_ASSIGN_UUID told the guest, or "". */
  uuid: string;
  contexts: number[];
  /** When it was made, 0 where that was not seen. */
  createdNs: number;
  /** Whether it was shown since then, as far as that was seen. */
  wasShown: boolean;
  /** When a command named it last, "queue:number" and the type of that. Of one that was not seen, since when it is known of, "" and "". */
  usedNs: number;
  usedBy: string;
  usedType: string;
}

export interface ContextRecord {
  id: number;
  state: string;
  /** Where its making was seen; and the process of one that has one of its own, or 0. */
  name: string;
  resources: number;
  process: number;
}

/** A fence is stuck that is older: no frame takes so long. */
export const stuckMs = 1_000;

export interface FenceRecord {
  /** The renderer's number of it. */
  fence: number;
  state: string;
  /** What waits: "queue:number", "" where its taking was not seen, and its name. */
  command: string;
  type: string;
  context: number;
  /** As the guest has called it, "" where that was not seen. */
  contextName: string;
  ring: number;
  ageMs: number;
}
