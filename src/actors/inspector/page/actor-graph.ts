// Which actors talk, and where they stand on the page. Pure, so that it is tested without a browser.

import { Graph, layout } from "@dagrejs/dagre";
import type { ActorRecord } from "../feed.ts";

/** Sizes of the drawing, which is scaled to what room there is. */
export const nodeWidth = 176;
export const nodeHeight = 92;
const margin = 14;
/** The room of the rates that stand at an edge. */
const label = { width: 62, height: 28, labelpos: "c" };

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  name: string;
}

/** Two that talk, in whichever direction, by the order of their names. */
export interface Pair {
  id: string;
  from: string;
  to: string;
  points: Point[];
  /** Where its rates stand. */
  label: Point;
}

export interface ActorGraph {
  width: number;
  height: number;
  boxes: Box[];
  pairs: Pair[];
}

export const pairOf = (one: string, other: string): string =>
  one < other ? `${one} ↔ ${other}` : `${other} ↔ ${one}`;

/** Everybody may tell these something, or hear from them: those edges are drawn when there has been traffic on them. */
const everybodys = ["supervisor", "inspector"];

/** Names of the pairs that are drawn, in order; it changes when the drawing has to. */
export function talkers(actors: readonly ActorRecord[]): string[] {
  const found = new Set<string>();
  for (const { name, taken } of actors)
    for (const [peer, count] of Object.entries(taken)) {
      const isCommon = everybodys.includes(name) || everybodys.includes(peer);
      if (count > 0 || !isCommon) found.add(pairOf(name, peer));
    }
  return [...found].sort();
}

/** Places the actors so that edges cross little and pass beside them. */
export function place(names: readonly string[], pairs: readonly string[]): ActorGraph {
  if (names.length === 0) return { width: 0, height: 0, boxes: [], pairs: [] };
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 26, ranksep: 30, edgesep: 14, marginx: margin, marginy: margin });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of names) graph.setNode(name, { width: nodeWidth, height: nodeHeight });
  const drawn = pairs.map((id) => [id, ...id.split(" ↔ ")] as const);
  for (const [, one, other] of drawn) {
    // From left to right as work goes: who is told stands to the right of who tells.
    const [from, to] = rankOf(one!) <= rankOf(other!) ? [one!, other!] : [other!, one!];
    graph.setEdge(from, to, { weight: everybodys.includes(from) ? 1 : 4, ...label });
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    ...{ width, height },
    boxes: names.map((name) => ({ name, ...pointOf(graph.node(name) as Point) })),
    pairs: drawn.map(([id, one, other]) => {
      const isForward = rankOf(one!) <= rankOf(other!);
      const [from, to] = isForward ? [one!, other!] : [other!, one!];
      const edge = graph.edge(from, to) as Point & { points: Point[] };
      return { id, from, to, points: edge.points.map(pointOf), label: pointOf(edge) };
    }),
  };
}

const pointOf = ({ x, y }: Point): Point => ({ x, y });

/** As a command goes through the device. */
const order = [
  "supervisor",
  "inspector",
  "vhost-session",
  "ctrl-queue",
  "cursor-queue",
  "fence-poller",
  "resource-bridge",
  "display",
  "recorder",
];

function rankOf(name: string): number {
  const at = order.indexOf(name);
  return at < 0 ? order.length : at;
}

/** An SVG path through the points, with round corners. */
export function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const last = rest.at(-1) ?? first;
  let path = `M${first.x} ${first.y}`;
  for (let index = 0; index < rest.length - 1; index++) {
    const [at, next] = [rest[index]!, rest[index + 1]!];
    const end = index === rest.length - 2 ? last : { x: (at.x + next.x) / 2, y: (at.y + next.y) / 2 };
    path += `Q${at.x} ${at.y} ${end.x} ${end.y}`;
  }
  return rest.length === 1 ? `${path}L${last.x} ${last.y}` : path;
}
