// How often each way of a machine was gone: what /api/machines tells, put to its graph.

import type { Graph } from "./graph.ts";

/** One machine of an actor, as /api/machines has it. */
export interface MachineCounts {
  actor: string;
  machine: string;
  counts: { state: string; event: string; to: string | null; count: number }[];
}

export interface Tally {
  /** By "from to", and how often each event was it. */
  edges: Map<string, { count: number; events: Map<string, number> }>;
  /** Refused events, by state. */
  refused: Map<string, { event: string; count: number }[]>;
  /** Events that changed nothing, by state. */
  stayed: Map<string, { event: string; count: number }[]>;
  /** How many are in each state now: what came in, less what went out. Not of the initial one, where all begin. */
  inside: Map<string, number>;
}

/** Sums the counts of all actors that move such a machine. */
export function tallyOf(graph: Graph, all: readonly MachineCounts[]): Tally {
  const tally: Tally = { edges: new Map(), refused: new Map(), stayed: new Map(), inside: new Map() };
  for (const { machine, counts } of all) {
    if (machine !== graph.name) continue;
    for (const { state, event, to, count } of counts) {
      if (to === null) list(tally.refused, state, event, count);
      else if (to === state) list(tally.stayed, state, event, count);
      else move(tally, state, to, event, count);
    }
  }
  for (const { name, isInitial, isFinal } of graph.states) {
    if (isInitial || isFinal || (tally.inside.get(name) ?? 0) <= 0) tally.inside.delete(name);
  }
  return tally;
}

function move({ edges, inside }: Tally, from: string, to: string, event: string, count: number): void {
  const key = `${from} ${to}`;
  const edge = edges.get(key) ?? { count: 0, events: new Map<string, number>() };
  edge.count += count;
  edge.events.set(event, (edge.events.get(event) ?? 0) + count);
  edges.set(key, edge);
  inside.set(to, (inside.get(to) ?? 0) + count);
  inside.set(from, (inside.get(from) ?? 0) - count);
}

function list(map: Tally["refused"], state: string, event: string, count: number): void {
  const own = map.get(state) ?? [];
  const known = own.find((one) => one.event === event);
  if (known === undefined) own.push({ event, count });
  else known.count += count;
  map.set(state, own);
}
