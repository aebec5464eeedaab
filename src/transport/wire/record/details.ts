// What entries tell in msgpack: the shapes of their bodies. Readers alone load this; who writes needs its types.

import { z } from "zod";
import type { Entry } from "./entries.ts";
import { unpack } from "./plain-msgpack.ts";
import { RecordingError } from "./recording-error.ts";

const sentenceMax = 1000;
const sentencesMax = 100;
/** What moves a terminal's cursor, or lets a line look like others. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** For people: one line, whoever has made the file. */
const Sentence = z.string().transform((text) => text.slice(0, sentenceMax).replace(unprintable, "?"));

/** What the recording is of. */
const Start = z.object({
  /** Of the server that recorded. */
  server: Sentence,
  /** When it began: milliseconds since 1970, and nanoseconds of CLOCK_MONOTONIC. */
  wallMs: z.number(),
  monotonicNs: z.number(),
  /** Whether no command had run before. */
  isFromStart: z.boolean(),
  /** Whether each {@link EntryKind.frame} has a checksum. */
  hasChecksums: z.boolean(),
  /** What was offered to the driver: bits 0 to 23. */
  features: z.number(),
  /** How the settings of the device were. */
  renderer: z.record(z.string(), z.unknown()),
  storage: Sentence,
  outputs: z.array(z.object({ width: z.number(), height: z.number() })).max(16),
  limits: z.record(z.string(), z.number()),
  /** Sentences on what such a recording never holds, or not exactly. */
  notRecorded: z.array(Sentence).transform((all) => all.slice(0, sentencesMax)),
});
export type Start = z.infer<typeof Start>;

const Missing = z.object({ what: Sentence });
type Missing = z.infer<typeof Missing>;

/** Why a recording ended. */
const endReasons = ["stopped", "too-slow", "disk", "crashed", "too-long"] as const;
const End = z.object({ reason: z.enum(endReasons), text: Sentence });
export type End = z.infer<typeof End>;

export interface Details {
  start: Start;
  missing: Missing;
  end: End;
}

const schemas = {
  start: Start,
  missing: Missing,
  end: End,
} satisfies { [Name in keyof Details]: z.ZodType<Details[Name]> };

/** What an entry's body tells. Throws a {@link RecordingError} where that makes no sense. */
export function detailsOf<Name extends keyof Details>({ kind, body }: Entry<Name>): Details[Name] {
  const { data } = schemas[kind as Name].safeParse(unpack(body));
  if (data === undefined) throw new RecordingError(`the ${kind} of this recording makes no sense`);
  return data as Details[Name];
}
