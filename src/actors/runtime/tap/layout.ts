// How the taps lie in the memory that actors share with the inspector: a place an actor, in each a header and a ring of
// records. Writers and the reader agree on this file alone.

import { slotsMax } from "../slots.ts";

/** A record is so many u32 words; its time is a double at word {@link Field.time}. */
export const recordWords = 32;
/**
 * Records of a ring, a power of two: over a hundred thousand commands a second between two looks of the reader, whose time is
 * bounded by it. What finds no room is dropped and counted.
 */
export const recordsMax = 4096;

/** Words of a header that are written by one side each; those of the two sides lie in cache lines of their own. */
export const Head = {
  /** Records written since the start, modulo 2^32. */
  written: 0,
  /** Records for which there was no room. */
  dropped: 1,
  /** Names in the table, and machines in theirs. */
  names: 2,
  machines: 3,
  /** The thread of the actor, as the kernel numbers it. */
  thread: 4,
  /** How often it has slept, modulo 2^32. */
  naps: 5,
  /** Records until the actor that writes now began: those before are of predecessors, which have died. */
  begun: 6,
  /** The number of the command that was told of last. */
  command: 7,
  /** Records taken by the reader, modulo 2^32. */
  taken: 16,
  /** Whether anybody reads: the actor looks once a turn. */
  on: 17,
  /** How often the reader has looked, modulo 2^32. */
  looks: 18,
  /** Whether it wants to hear of every sleep. */
  sleeps: 19,
  /** For each slot, the number of the last message that was sent to it, and taken from it. */
  sentTo: 32,
  takenFrom: 32 + slotsMax,
  /** Doubles: how long the actor has slept since it was first read, and since when it sleeps, 0 while it is awake; in ns. */
  sleptNs: 64,
  asleepSince: 66,
  /** For each machine: its name, its first count, how many, and how many events a state has. */
  machineTable: 96,
  /** Doubles: for each kind of command, how many were not told. */
  untold: 160,
} as const;
/** Kinds of commands that are counted: thinning.ts says which is which. */
export const untoldKinds = 48;
export const machineWords = 4;
export const machinesMax = 16;

/** Names: a byte of length, then Latin letters. */
export const nameBytes = 32;
export const namesMax = 224;
export const namesAt = 1024;
/** u32 counts of all cells of the machines' tables: how often each event came in each state. */
export const countsAt = namesAt + namesMax * nameBytes;
export const countsMax = 3072;
export const headerBytes = countsAt + countsMax * 4;
export const tapBytes = headerBytes + recordsMax * recordWords * 4;
/** All taps; pages are made when they are first written. */
export const tapsBytes = tapBytes * slotsMax;

/** What a record tells. Words 4 and on are the kind's own. */
export const RecordKind = {
  /** A command was taken: bytes of it, the room for its answer, 0, 0, and its first {@link requestBytesMax} bytes. */
  taken: 1,
  /** A command has its answer: response type, bytes of the answer. */
  completed: 2,
  /** The command waits for something, and is completed later. */
  parked: 3,
  /** The guest sees all answers so far: how many are new, whether it was interrupted. */
  published: 4,
  /** The guest's kick woke the queue. */
  kicked: 5,
  /** An entity has another state: machine, state before, event, state after, id. */
  moved: 6,
  /** An entity refused an event: as {@link moved}, with the refusal in the state's place. */
  refused: 7,
  /** The renderer was given a fence: its number, context, ring, and whether the timeline is the context's. */
  fenceMade: 8,
  /** All fences of a timeline up to that number are done. */
  fenceRetired: 9,
  /** A message was sent: receiver's slot, its number, its name, fields; then {@link fieldsMax} times name, kind, double. */
  sent: 10,
  /** A message was taken: sender's slot, its number, its name. */
  received: 11,
  /** The display is told: scanout, surface, resource, one of {@link Shown}, x, y, width, height. The message follows, if any. */
  shown: 12,
  /** A sink begins a frame: scanout, surface, its name, the last of the ctrl queue's messages, x, y, width, height. */
  frameBegun: 13,
  /** The other side of a sink has the frame: scanout, 0, the sink's name. */
  frameShown: 14,
  /** The command's stream may have written: resource (0: others, too), 0, 0, 0, x, y, width, height; 0 wide: no pixel of its picture. */
  wrote: 15,
  /** The actor was asleep until now: a double, since when. */
  slept: 16,
} as const;

/** Words that every record has: its kind, its command (0: of none), its time in ns of CLOCK_MONOTONIC. */
export const Field = { kind: 0, command: 1, time: 2, first: 4, request: 8 } as const;
export const requestBytesMax = (recordWords - Field.request) * 4;

/** Fields of a message that a record has room for: name and kind in one word, a double behind it. */
export const fieldsMax = 8;
export const fieldWords = 3;
export const FieldKind = { number: 0, boolean: 1, text: 2, list: 3, other: 4 } as const;
/** What {@link RecordKind.shown} was; of what is known already there is no message. */
export const Shown = { view: 0, damage: 1, nothing: 2, known: 3 } as const;
