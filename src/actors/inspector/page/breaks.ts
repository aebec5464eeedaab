// This page's break, and where the ctrl queue has stopped: known whatever view is open, for as long as there is one.

import { computed, effect, signal } from "@preact/signals";
import type { Batch, BreakRecord, CommandRecord } from "../feed.ts";
import { orNull, pastCommands } from "./command-history.ts";
import { connection, feedError, keepTopic, onBatch, say } from "./store.ts";

const ranMax = 100;

/** How it was told last; null before. */
export const breakRecord = signal<BreakRecord | null>(null);
/** This page's break; null where it has none. */
export const ownBreak = signal<string | null>(null);
/** What has run since the stop before this one, the last first. */
export const ranSince = signal<readonly CommandRecord[]>([]);

/** Whether the queue waits for this page. */
export const isPausedHere = computed(
  () =>
    ownBreak.value !== null &&
    breakRecord.value?.state === "paused" &&
    breakRecord.value.heldBy.includes(ownBreak.value),
);

/** Stops at commands that `filter` holds for; at none with null. */
export function setBreak(filter: string | null): void {
  ownBreak.value = filter;
  keepTopic("break", filter !== null);
  say(filter === null ? { type: "clear" } : { type: "break", filter });
}

export const step = (): void => say({ type: "step", count: 1 });
export const goOn = (): void => say({ type: "continue" });

const numberOf = (command: CommandRecord | null): number =>
  command === null ? 0 : Number(command.id.split(":")[1]);

/** The command that was next when the queue stopped before, and how often it had stopped then. */
let from = 0;
let stops = -1;

function take({ break: told, error }: Batch): void {
  const own = ownBreak.peek();
  if (error !== undefined && own !== null && !breakRecord.peek()?.breaks.includes(own)) {
    // A filter that makes no sense sets nothing, and the one before is not what stands here any more.
    setBreak(null);
    feedError.value = error;
  }
  if (told === undefined) return;
  breakRecord.value = told;
  if (told.stops === stops) return;
  const isFirst = stops < 0;
  stops = told.stops;
  if (told.state === "paused") void look(isFirst ? 0 : from);
  from = numberOf(told.next) || from;
}

/** Finds what has run from command `number` on. */
async function look(number: number): Promise<void> {
  const found = await orNull(pastCommands("queue:ctrl", ranMax));
  if (found !== null) ranSince.value = found.filter((one) => numberOf(one) >= number).toReversed();
}

/** The connection is gone, and with it its break. */
function forget(): void {
  ownBreak.value = null;
  keepTopic("break", false);
}

onBatch(take);
effect(() => {
  if (connection.value === "open") return;
  breakRecord.value = null;
  ranSince.value = [];
  stops = -1;
  from = 0;
  if (ownBreak.peek() === null) return;
  forget();
  feedError.value = "the connection was lost, and the break with it";
});
