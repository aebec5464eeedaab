// Writes Perfetto traces of TrackEvents: packets of one sequence, whose names are written once. Every packet is whole, so
// what is written so far is a trace at any time.

import { PbfWriter } from "pbf";
import {
  Annotation,
  childrenByRank,
  Clock,
  ClockId,
  ClockSnapshot,
  EventType,
  InternedData,
  InternedName,
  PacketDefaults,
  ProcessDescriptor,
  SequenceFlag,
  ThreadDescriptor,
  Trace,
  TracePacket,
  TrackDescriptor,
  TrackEvent,
} from "./protocol.ts";

/** Names that are written once; those of a guest that invents more are written each time. */
const namesMax = 2048;
const firstBytes = 64 * 1024;

export type Annotations = Readonly<Record<string, number | string | boolean>>;

export interface Track {
  /** Not 0, and no other track's of the same trace. */
  uuid: number;
  name: string;
  parent?: number;
  /** Its place among the tracks of its parent. */
  rank?: number;
  process?: { pid: number };
  thread?: { pid: number; tid: number };
  isCounter?: boolean;
}

export interface Event {
  /** Nanoseconds of CLOCK_MONOTONIC. */
  ns: number;
  track: number;
  /** Missing at the end of a slice. */
  name?: string | undefined;
  annotations?: Annotations | undefined;
  /** Events of the same flow are joined by arrows, in the order of their times. */
  flows?: readonly number[] | undefined;
  /** Of a counter. */
  value?: number;
}

interface Named {
  field: number;
  iid: number;
  name: string;
}

export class TraceWriter {
  private pbf = new PbfWriter(new Uint8Array(firstBytes));
  private readonly eventNames = new Map<string, number>();
  private readonly annotationNames = new Map<string, number>();
  /** Names that the packet under way is the first to have. */
  private fresh: Named[] = [];

  /** `sequence` is no other writer's of the same file; `ns` and `wallMs` are now. */
  constructor(
    private readonly sequence: number,
    ns: number,
    wallMs: number,
  ) {
    this.packet(SequenceFlag.stateCleared, (pbf) => {
      pbf.writeBooleanField(TracePacket.firstOnSequence, true);
      pbf.writeMessage(TracePacket.defaults, writeDefaults, null);
    });
    this.packet(0, (pbf) => pbf.writeMessage(TracePacket.clockSnapshot, writeClocks, { ns, wallMs }));
  }

  /** Says what a track is, before there are events on it. */
  track(track: Track): void {
    this.packet(0, (pbf) => pbf.writeMessage(TracePacket.trackDescriptor, writeTrack, track));
  }

  /** A slice begins on its track, inside of those that are open there. */
  begin(event: Event): void {
    this.event(EventType.begin, event);
  }

  /** The innermost slice of the track ends; annotations are added to those that it began with. */
  end(event: Event): void {
    this.event(EventType.end, event);
  }

  instant(event: Event): void {
    this.event(EventType.instant, event);
  }

  counter(event: Event): void {
    this.event(EventType.counter, event);
  }

  /** Bytes that {@link take} would return now. */
  get bytes(): number {
    return this.pbf.pos;
  }

  /** Returns what was written since the last call. */
  take(): Uint8Array<ArrayBuffer> {
    const { buf, pos } = this.pbf;
    this.pbf = new PbfWriter(buf);
    return buf.slice(0, pos) as Uint8Array<ArrayBuffer>;
  }

  private event(type: number, event: Event): void {
    this.packet(SequenceFlag.needsState, (pbf) => {
      pbf.writeVarintField(TracePacket.timestamp, event.ns);
      pbf.writeMessage(TracePacket.trackEvent, this.writeEvent, { type, event });
      if (this.fresh.length === 0) return;
      pbf.writeMessage(TracePacket.internedData, writeNames, this.fresh);
      this.fresh = [];
    });
  }

  private packet(flags: number, write: (pbf: PbfWriter) => void): void {
    this.pbf.writeMessage(
      Trace.packet,
      (_, pbf) => {
        pbf.writeVarintField(TracePacket.sequence, this.sequence);
        if (flags !== 0) pbf.writeVarintField(TracePacket.sequenceFlags, flags);
        write(pbf);
      },
      null,
    );
  }

  private readonly writeEvent = (one: { type: number; event: Event }, pbf: PbfWriter): void => {
    const { track, name, annotations, flows, value } = one.event;
    pbf.writeVarintField(TrackEvent.type, one.type);
    pbf.writeVarintField(TrackEvent.track, track);
    if (name !== undefined) {
      const iid = this.iidOf(this.eventNames, InternedData.eventName, name);
      if (iid === 0) pbf.writeStringField(TrackEvent.name, name);
      else pbf.writeVarintField(TrackEvent.nameIid, iid);
    }
    for (const key in annotations) {
      pbf.writeMessage(TrackEvent.annotation, this.writeAnnotation, { key, value: annotations[key]! });
    }
    for (const flow of flows ?? []) pbf.writeFixed64Field(TrackEvent.flow, flow);
    if (value !== undefined) pbf.writeVarintField(TrackEvent.counterValue, value);
  };

  private readonly writeAnnotation = (
    { key, value }: { key: string; value: Annotations[string] },
    pbf: PbfWriter,
  ): void => {
    const iid = this.iidOf(this.annotationNames, InternedData.annotationName, key);
    if (iid === 0) pbf.writeStringField(Annotation.name, key);
    else pbf.writeVarintField(Annotation.nameIid, iid);
    if (typeof value === "boolean") pbf.writeBooleanField(Annotation.boolean, value);
    else if (typeof value === "string") pbf.writeStringField(Annotation.text, value);
    else if (Number.isSafeInteger(value) && value >= 0) pbf.writeVarintField(Annotation.unsigned, value);
    else pbf.writeDoubleField(Annotation.double, value);
  };

  /** The number of a name, 0 where there is no more room for it. */
  private iidOf(names: Map<string, number>, field: number, name: string): number {
    const known = names.get(name);
    if (known !== undefined) return known;
    if (names.size === namesMax) return 0;
    const iid = names.size + 1;
    names.set(name, iid);
    this.fresh.push({ field, iid, name });
    return iid;
  }
}

function writeDefaults(_: null, pbf: PbfWriter): void {
  pbf.writeVarintField(PacketDefaults.clock, ClockId.monotonic);
}

function writeClocks({ ns, wallMs }: { ns: number; wallMs: number }, pbf: PbfWriter): void {
  pbf.writeMessage(ClockSnapshot.clock, writeClock, { id: ClockId.monotonic, ns });
  pbf.writeMessage(ClockSnapshot.clock, writeClock, { id: ClockId.realtime, ns: wallMs * 1e6 });
  pbf.writeVarintField(ClockSnapshot.primaryClock, ClockId.monotonic);
}

function writeClock({ id, ns }: { id: number; ns: number }, pbf: PbfWriter): void {
  pbf.writeVarintField(Clock.id, id);
  pbf.writeVarintField(Clock.timestamp, ns);
}

function writeTrack(track: Track, pbf: PbfWriter): void {
  const { uuid, name, parent, rank, process, thread, isCounter } = track;
  pbf.writeVarintField(TrackDescriptor.uuid, uuid);
  if (parent !== undefined) pbf.writeVarintField(TrackDescriptor.parent, parent);
  if (process !== undefined) pbf.writeMessage(TrackDescriptor.process, writeProcess, { ...process, name });
  else if (thread !== undefined) pbf.writeMessage(TrackDescriptor.thread, writeThread, { ...thread, name });
  else pbf.writeStringField(TrackDescriptor.name, name);
  if (isCounter) pbf.writeMessage(TrackDescriptor.counter, () => {}, null);
  if (rank !== undefined) pbf.writeVarintField(TrackDescriptor.rank, rank);
  pbf.writeVarintField(TrackDescriptor.childOrder, childrenByRank);
}

function writeProcess({ pid, name }: { pid: number; name: string }, pbf: PbfWriter): void {
  pbf.writeVarintField(ProcessDescriptor.pid, pid);
  pbf.writeStringField(ProcessDescriptor.name, name);
}

function writeThread({ pid, tid, name }: { pid: number; tid: number; name: string }, pbf: PbfWriter): void {
  pbf.writeVarintField(ThreadDescriptor.pid, pid);
  pbf.writeVarintField(ThreadDescriptor.tid, tid);
  pbf.writeStringField(ThreadDescriptor.name, name);
}

function writeNames(names: readonly Named[], pbf: PbfWriter): void {
  for (const one of names) pbf.writeMessage(one.field, writeName, one);
}

function writeName({ iid, name }: Named, pbf: PbfWriter): void {
  pbf.writeVarintField(InternedName.iid, iid);
  pbf.writeStringField(InternedName.name, name);
}
