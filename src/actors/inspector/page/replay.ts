// The recording that is played, where the page is of one: where it is, what its scale shows, and what is asked of it.

import { computed, signal } from "@preact/signals";
import type {
  RecordedCommand,
  RecordedPixel,
  ReplayFacts,
  ReplayMarks,
  ReplayRequest,
  ReplayState,
} from "../../../transport/wire/replay/messages.ts";
import { orNull } from "./command-history.ts";
import { ask, pastBeginsNs } from "./store.ts";

/** Before the first command, and at the last. */
export const beginning: ReplayRequest = { type: "seek", time: 0 };
export const endOf = ({ commandsTotal }: ReplayState): ReplayRequest => ({
  type: "seek",
  command: commandsTotal,
});

export const replayKeys = [
  ["k", "play, or pause"],
  [", or .", "the frame before, or the next one"],
  ["< or >", "the command before, or the next one"],
  ["[ or ]", "the recording's beginning, or its end"],
  ["Tab", "leads to the scale: ← → frames, Space, Home, End"],
] as const;

const againMs = 1000;
const marksAgainMs = 700;

/** Null where the page is of no replay. */
export const replay = signal<ReplayFacts | null>(null);
export const replayState = signal<ReplayState | null>(null);
export const marks = signal<ReplayMarks>({ isWhole: false, frames: [], keyframes: [], errors: [] });
/** Where somebody drags the scale to, before the replay is there; null while nobody does. */
export const dragged = signal<number | null>(null);

/** The moment of the recording that is looked at, in words that change with it. */
export const moment = computed(() => {
  const state = replayState.value;
  return state === null || state.activity !== "paused" ? "" : `${state.sinceNs} ${state.commands}`;
});

let socket: WebSocket | null = null;
/** The last seek that nobody was told of: while somebody drags, one a frame of the page is enough. */
let next: ReplayRequest | null = null;

export function askReplay(request: ReplayRequest): void {
  if (request.type !== "seek") return send(request);
  if (next === null) requestAnimationFrame(sendNext);
  next = request;
}

export const togglePlaying = (): void =>
  askReplay({ type: replayState.peek()?.activity === "playing" ? "pause" : "play" });

/** Which commands made a pixel of a scanout or a resource; null where the recording does not know, or there is none. */
export const recordedPixel = (of: Record<string, number>): Promise<RecordedPixel | null> => {
  if (replay.peek() === null) return Promise.resolve(null);
  const query = new URLSearchParams(Object.entries(of).map(([name, value]) => [name, String(value)]));
  return orNull(ask<RecordedPixel | null>(`/api/replay/pixel?${query}`));
};

/** The recording's command that one of the server's is. */
export const recordedAs = (id: string): Promise<RecordedCommand | null> =>
  orNull(ask<RecordedCommand | null>(`/api/replay/command?${new URLSearchParams({ id })}`));

/** Looks once whether the page is of a replay, and follows that. */
export async function followReplay(): Promise<void> {
  const facts = await orNull(ask<ReplayFacts | null>("/api/replay"));
  if (facts === null) return;
  replay.value = facts;
  take(facts.state);
  connect();
  void askMarks();
}

function connect(): void {
  socket = new WebSocket(`ws://${location.host}/replay`);
  socket.onmessage = ({ data }) => take(JSON.parse(String(data)) as ReplayState);
  socket.onclose = () => setTimeout(connect, againMs);
}

function take(state: ReplayState): void {
  pastBeginsNs.value = state.sinceNs;
  replayState.value = state;
}

/** Until all of the recording was looked through, and then no more. */
async function askMarks(): Promise<void> {
  const found = await orNull(ask<ReplayMarks>("/api/replay/marks"));
  if (found !== null) marks.value = found;
  if (found?.isWhole !== true) setTimeout(() => void askMarks(), marksAgainMs);
}

function sendNext(): void {
  if (next !== null) send(next);
  next = null;
}

function send(request: ReplayRequest): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
}
