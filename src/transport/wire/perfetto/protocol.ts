// What of Perfetto's trace format (perfetto/trace/trace_packet.proto and what it names) a trace of ours has: field numbers
// as protobuf has them.

/** Trace: packets, one after the other. A file that ends early has all that came before. */
export const Trace = { packet: 1 } as const;

export const TracePacket = {
  clockSnapshot: 6,
  timestamp: 8,
  sequence: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  defaults: 59,
  trackDescriptor: 60,
  firstOnSequence: 87,
} as const;

/** TracePacket.SequenceFlags. */
export const SequenceFlag = { stateCleared: 1, needsState: 2 } as const;

export const PacketDefaults = { clock: 58 } as const;

export const ClockSnapshot = { clock: 1, primaryClock: 2 } as const;
export const Clock = { id: 1, timestamp: 2 } as const;
/** BuiltinClock. */
export const ClockId = { realtime: 1, monotonic: 3 } as const;

export const TrackDescriptor = {
  uuid: 1,
  name: 2,
  process: 3,
  thread: 4,
  parent: 5,
  counter: 8,
  childOrder: 11,
  rank: 12,
} as const;
/** TrackDescriptor.ChildTracksOrdering. */
export const childrenByRank = 3;
export const ProcessDescriptor = { pid: 1, name: 6 } as const;
export const ThreadDescriptor = { pid: 1, tid: 2, name: 5 } as const;

export const TrackEvent = {
  annotation: 4,
  type: 9,
  nameIid: 10,
  track: 11,
  name: 23,
  counterValue: 30,
  flow: 47,
} as const;
/** TrackEvent.Type. */
export const EventType = { begin: 1, end: 2, instant: 3, counter: 4 } as const;

export const Annotation = {
  nameIid: 1,
  boolean: 2,
  unsigned: 3,
  double: 5,
  text: 6,
  name: 10,
} as const;

export const InternedData = { eventName: 2, annotationName: 3 } as const;
export const InternedName = { iid: 1, name: 2 } as const;
