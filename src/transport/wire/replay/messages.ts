// What a replay and the page that steers it tell each other, as JSON. docs/recording.md explains it. Times are nanoseconds since
// the recording began, and commands and frames are counted from 0, unless it is said otherwise.

import type { FieldValue } from "../virtio-gpu/decode.ts";

/** GET /api/replay: what is played. */
export interface ReplayFacts {
  file: string;
  /** The recording's ending, and what is not in it: sentences. */
  ending: string;
  lacks: string[];
  state: ReplayState;
}

/** Where a replay is: told to each connection at /replay when it changes. */
export interface ReplayState {
  activity: "playing" | "paused" | "seeking";
  /** Commands and frames that were played, and the time of the last. */
  commands: number;
  frames: number;
  time: number;
  /** How many there are. */
  commandsTotal: number;
  framesTotal: number;
  duration: number;
  /** Of a seek: commands from where it began to where it goes, and how many of them were played. */
  seek: { from: number; to: number } | null;
  /** How many times faster than it was recorded; null is as fast as it goes. */
  speed: number | null;
  /** The moment (CLOCK_MONOTONIC) before which what the server tells is not what led here. */
  sinceNs: number;
  /** Why it goes no further, or what was asked and makes no sense; "" otherwise. */
  error: string;
}

/** Where something happened, on a scale: times, no two of them nearer than the bar can show. */
export interface ReplayMarks {
  /** Whether all of the recording was looked at. */
  isWhole: boolean;
  frames: number[];
  keyframes: number[];
  errors: number[];
}

/** A command of the recording. */
export interface RecordedCommand {
  number: number;
  type: string;
  time: number;
  fields: Record<string, FieldValue>;
}

/** GET /api/replay/pixel: which commands have made a pixel, up to where the replay is. */
export interface RecordedPixel {
  resource: number;
  /** In the resource. */
  x: number;
  y: number;
  /** Null where the pixel is as the resource was made, or as it was when the recording began. */
  writer: RecordedCommand | null;
  flush: RecordedCommand | null;
}

/** What a page asks for at /replay. Of several the last is done. */
export type ReplayRequest =
  | { type: "seek"; command: number }
  | { type: "seek"; frame: number }
  | { type: "seek"; time: number }
  | { type: "step"; commands: number }
  | { type: "step"; frames: number }
  | { type: "play" | "pause" }
  | { type: "speed"; speed: number | null };
