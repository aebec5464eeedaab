// What the page knows: the state of its connection, which view is open, and the last that the feed has told of each topic.

import { batch as together, computed, signal } from "@preact/signals";
import type { ActorRecord, Batch, Inventory, LatencyRecord, PageRequest, Topic } from "../feed.ts";
import { type Connection, FeedConnection } from "./feed-connection.ts";

export const connection = signal<Connection>("connecting");
/** What the feed said of a request of ours. */
export const feedError = signal("");
/** Batches that this page was too slow for, and records that the taps had no room for. */
export const dropped = signal({ batches: 0, records: 0 });

export const actors = signal<readonly ActorRecord[]>([]);
export const inventory = signal<Inventory>({ resources: [], contexts: [], fences: [], unanswered: null });
export const latency = signal<readonly LatencyRecord[] | null>(null);

/** The part of the URL behind "#": a view's id, and what the view has added to it behind a "?". */
const place = signal(location.hash.slice(1));
export const viewId = computed(() => place.value.split("?")[0]!);
export const viewParameters = computed(() => new URLSearchParams(place.value.split("?")[1] ?? ""));
addEventListener("hashchange", () => (place.value = location.hash.slice(1)));

/** Opens a view, as a link to it would. */
export function openView(id: string, parameters: Record<string, string> = {}): void {
  const query = new URLSearchParams(parameters).toString();
  location.hash = query === "" ? id : `${id}?${query}`;
}

/** Notes in the URL what a view shows, so that it is there again after a reload. */
export function noteParameters(parameters: Record<string, string>): void {
  const query = new URLSearchParams(parameters).toString();
  const hash = `#${viewId.value}${query === "" ? "" : `?${query}`}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
  place.value = hash.slice(1);
}

/** What happened before, of CLOCK_MONOTONIC, is not what has led here: a replay has gone elsewhere since. 0 where all has. */
export const pastBeginsNs = signal(0);

type BatchListener = (batch: Batch) => void;
const listeners = new Set<BatchListener>();

/** Calls `listener` with each batch, until what is returned is called. For topics that are events and not a state. */
export function onBatch(listener: BatchListener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** How far the wall clock, in ms, is ahead of the device's, in ns; NaN until the first batch. */
let wallMsAtZero = NaN;

/** The device's clock at the last batch. */
let lastBatchNs = 0;
export const newestNs = (): number => lastBatchNs;

/** When `ns` of the device's clock was, in milliseconds since 1970. */
export const wallMs = (ns: number): number => wallMsAtZero + ns / 1e6;

function take(batch: Batch): void {
  // The batch that took the least time to come is the best clock.
  lastBatchNs = batch.ns;
  const aheadMs = Date.now() - batch.ns / 1e6;
  if (!(wallMsAtZero <= aheadMs)) wallMsAtZero = aheadMs;
  together(() => {
    if (batch.error !== undefined) feedError.value = batch.error;
    const now = dropped.peek();
    if (batch.droppedBatches !== now.batches || batch.droppedRecords > now.records) {
      dropped.value = { batches: batch.droppedBatches, records: Math.max(now.records, batch.droppedRecords) };
    }
    const sinceNs = pastBeginsNs.peek();
    if (batch.commands !== undefined && sinceNs > 0) {
      batch.commands = batch.commands.filter(({ takenNs }) => takenNs >= sinceNs);
    }
    if (batch.actors !== undefined) actors.value = batch.actors;
    if (batch.resources !== undefined) inventory.value = batch.resources;
    if (batch.latency !== undefined) latency.value = batch.latency;
    for (const listener of listeners) listener(batch);
  });
}

const feed = new FeedConnection(`ws://${location.host}/feed`, {
  connection: (state) => {
    wallMsAtZero = NaN;
    connection.value = state;
  },
  batch: take,
});

export const connect = (): void => feed.open();

/** What the open view shows, what is wanted whatever view is open, and what the command log asks for while it is open. */
let open: readonly Topic[] = [];
const kept = new Set<Topic>();
let logFilter: string | null = null;

/** Asks the feed for what all of them want of a topic. In any order: a view's effects may end after the next view's begin. */
function settle(topic: Topic): void {
  if (topic === "commands" && logFilter !== null) feed.subscribe(topic, logFilter);
  else if (open.includes(topic) || kept.has(topic)) feed.subscribe(topic);
  else feed.unsubscribe(topic);
}

/** Has the feed tell of these topics, of those that are kept, and of no others. */
export function subscribeTo(topics: readonly Topic[]): void {
  const before = open;
  open = topics;
  for (const topic of new Set([...before, ...topics])) settle(topic);
}

/** Has the feed tell of a topic whatever view is open, or no longer. */
export function keepTopic(topic: Topic, isKept: boolean): void {
  if (isKept) kept.add(topic);
  else kept.delete(topic);
  settle(topic);
}

/** Says something to the server; what it does not like about it is in {@link feedError}. */
export function say(request: PageRequest): void {
  feedError.value = "";
  feed.send(request);
}

/** Has the feed tell only of commands that `filter` holds for. */
export function filterCommands(filter: string): void {
  feedError.value = "";
  logFilter = filter;
  settle("commands");
}

/** The command log asks for nothing more. */
export function stopCommands(): void {
  logFilter = null;
  settle("commands");
}

/** Asks `path` of the server, such as "/api/machines". Throws what the server says is wrong. */
export const ask = <T>(path: string): Promise<T> => fetched(path, {});

/** Tells it something. */
export const post = <T>(path: string, body: string): Promise<T> => fetched(path, { method: "POST", body });

async function fetched<T>(path: string, how: RequestInit): Promise<T> {
  const response = await fetch(path, how);
  const answer = (await response.json()) as T & { error?: string };
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}
