// A track a sink and scanout: each frame from its beginning until the sink's other side had it, with arrows from what it shows.

import type { TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";
import type { PictureRecord } from "../feed.ts";
import type { Draws } from "./draws.ts";
import type { Tracks } from "./tracks.ts";

/** What the display was told and no sink has shown yet, and what one frame can show of it. */
const toldMax = 1024;
const flowsMax = 32;

interface Sink {
  readonly track: number;
  /** The last message that its frames have shown. */
  message: number;
  isOpen: boolean;
}

export class FrameTracks {
  /** What the display was told; the number of the message comes after the record. */
  private told: { picture: PictureRecord; flows: readonly number[] }[] = [];
  private readonly sinks = new Map<string, Sink>();
  /** Frames of this turn: what they show may be told by records that are read after theirs. */
  private frames: PictureRecord[] = [];

  constructor(
    private readonly writer: TraceWriter,
    private readonly tracks: Tracks,
    private readonly draws: Draws,
  ) {}

  add(picture: PictureRecord): void {
    if (picture.what === "known") return;
    if (picture.sink === "") this.told.push({ picture, flows: this.draws.told(picture.scanout) });
    else this.frames.push(picture);
  }

  /** All records of this turn are there. */
  turn(): void {
    for (const frame of this.frames) {
      const sink = this.sinkOf(frame);
      if (frame.what === "frame-begun") this.begin(sink, frame);
      else this.end(sink, frame.ns);
    }
    this.frames = [];
    if (this.told.length > toldMax) this.told = this.told.slice(-toldMax);
  }

  /** What was begun has no end that anybody knows of. */
  forget(ns: number, why: string): void {
    this.turn();
    for (const sink of this.sinks.values()) this.end(sink, ns, why);
  }

  private begin(sink: Sink, frame: PictureRecord): void {
    const { ns, scanout, surface, x, y, width, height, message } = frame;
    // One that was given up half sent.
    this.end(sink, ns, "the next one began");
    const { track } = sink;
    const flows = this.flowsIn(scanout, sink.message, message).slice(-flowsMax);
    sink.message = message;
    sink.isOpen = true;
    this.writer.begin({ ns, track, name: "frame", annotations: { surface, x, y, width, height }, flows });
  }

  private end(sink: Sink, ns: number, lost?: string): void {
    if (!sink.isOpen) return;
    sink.isOpen = false;
    const annotations = lost === undefined ? undefined : { lost };
    this.writer.end({ ns, track: sink.track, annotations });
  }

  /** The flows of what messages after one and up to another have told of a scanout. Numbers wrap. */
  private flowsIn(scanout: number, after: number, upTo: number): number[] {
    const shown = this.told.filter(
      ({ picture }) =>
        picture.scanout === scanout &&
        picture.message !== 0 &&
        ((picture.message - after) | 0) > 0 &&
        ((upTo - picture.message) | 0) >= 0,
    );
    return [...new Set(shown.flatMap(({ flows }) => flows))];
  }

  private sinkOf({ sink, scanout }: PictureRecord): Sink {
    const name = `${sink} scanout ${scanout}`;
    const known = this.sinks.get(name);
    if (known !== undefined) return known;
    const made = { track: this.tracks.in("frames", name), message: 0, isOpen: false };
    this.sinks.set(name, made);
    return made;
  }
}
