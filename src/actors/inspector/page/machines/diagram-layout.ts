// Where a graph's states and edges are drawn: dagre decides, this says how large everything is.

import { Graph as Dagre, layout } from "@dagrejs/dagre";
import type { Graph, GraphEdge, GraphState } from "./graph.ts";

export interface Box {
  state: GraphState;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Way {
  edge: GraphEdge;
  /** An SVG path. */
  path: string;
  label: { x: number; y: number; lines: string[] };
}

export interface Drawing {
  width: number;
  height: number;
  boxes: Box[];
  ways: Way[];
}

const characterWidth = 7;
export const lineHeight = 14;
/** Of a state's name and how many are in it; what leads away at once stands below. */
export const boxHeight = 40;
const labelLinesMax = 3;

/** In the direction in which more of it fits into a frame, or as large as that has it. */
export function drawingFor(graph: Graph, width: number, height: number): Drawing {
  const fit = (drawing: Drawing): number => Math.min(1, width / drawing.width, height / drawing.height);
  const [across, down] = [drawingOf(graph, "LR"), drawingOf(graph, "TB")];
  return fit(across) >= fit(down) ? across : down;
}

/** Boxes have their middle at x and y. */
export function drawingOf(graph: Graph, rankdir: "LR" | "TB"): Drawing {
  const dagre = new Dagre({ multigraph: false });
  dagre.setGraph({ rankdir, nodesep: 22, ranksep: 26, edgesep: 12, marginx: 16, marginy: 20 });
  dagre.setDefaultEdgeLabel(() => ({}));
  for (const { name } of graph.states) {
    const exits = graph.exits.filter(({ from }) => from === name);
    const names = nameLines(name);
    const longest = Math.max(...names.map((line) => line.length + 2), ...exits.map(lengthOf));
    const height = boxHeight + (names.length - 1 + exits.length) * lineHeight;
    dagre.setNode(name, { width: longest * characterWidth + 14, height });
  }
  for (const { from, to, events } of graph.edges) {
    const lines = labelOf(events);
    const width = Math.max(...lines.map((line) => line.length)) * (characterWidth - 0.4) + 10;
    dagre.setEdge(from, to, { width, height: (lines.length + 1) * lineHeight + 4, labelpos: "c" });
  }
  layout(dagre);
  const boxes = graph.states.map((state): Box => {
    const { x, y, width, height } = dagre.node(state.name);
    return { state, x: x!, y: y!, width, height };
  });
  const ways = graph.edges.map((edge): Way => {
    const { points, x, y } = dagre.edge(edge.from, edge.to)!;
    return { edge, path: curve(points!), label: { x: x!, y: y!, lines: labelOf(edge.events) } };
  });
  const { width, height } = dagre.graph();
  return { width: Math.ceil(width ?? 0), height: Math.ceil(height ?? 0), boxes, ways };
}

const nameLineMax = 12;

/** A long name goes on in a second line, behind what it is a part of. */
export function nameLines(name: string): string[] {
  const at = Math.max(name.lastIndexOf("."), name.lastIndexOf("+"));
  return name.length <= nameLineMax || at < 0 ? [name] : [name.slice(0, at + 1), name.slice(at + 1)];
}

const lengthOf = (exit: GraphEdge): number => exitLabel(exit).length;

/** "unref → absent", with room for how often that was. */
export const exitLabel = ({ events, to }: GraphEdge): string =>
  `${labelOf(events).join(", ").toLowerCase()} → ${to}`;

/** The first events, and how many more there are. */
export function labelOf(events: readonly string[]): string[] {
  if (events.length <= labelLinesMax) return [...events];
  return [...events.slice(0, labelLinesMax - 1), `and ${events.length - labelLinesMax + 1} more`];
}

/** A smooth line through all points, so that each label stands on its own way (Catmull-Rom, as Bézier curves). */
function curve(points: readonly { x: number; y: number }[]): string {
  const at = (index: number) => points[Math.max(0, Math.min(points.length - 1, index))]!;
  const place = (x: number, y: number): string => `${Math.round(x)},${Math.round(y)}`;
  let path = `M${place(points[0]!.x, points[0]!.y)}`;
  for (let index = 0; index < points.length - 1; index++) {
    const [before, from, to, after] = [at(index - 1), at(index), at(index + 1), at(index + 2)];
    const leaves = place(from.x + (to.x - before.x) / 6, from.y + (to.y - before.y) / 6);
    const arrives = place(to.x - (after.x - from.x) / 6, to.y - (after.y - from.y) / 6);
    path += `C${leaves} ${arrives} ${place(to.x, to.y)}`;
  }
  return path;
}
