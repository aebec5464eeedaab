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
    const { path, label } = curve(points!, { x: x!, y: y! });
    return { edge, path, label: { ...label, lines: labelOf(edge.events) } };
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

interface Point {
  x: number;
  y: number;
}

/** A smooth line that is drawn towards the points, with the place on it that is nearest to where its label was meant to be. */
function curve(points: readonly Point[], wanted: Point): { path: string; label: Point } {
  const [first, ...rest] = points as [Point, ...Point[]];
  let path = `M${place(first)}`;
  let from = first;
  let [label, distance] = [wanted, Infinity];
  for (const [index, control] of rest.slice(0, -1).entries()) {
    const next = rest[index + 1]!;
    const to =
      index === rest.length - 2 ? next : { x: (control.x + next.x) / 2, y: (control.y + next.y) / 2 };
    path += `Q${place(control)} ${place(to)}`;
    const middle = { x: (from.x + 2 * control.x + to.x) / 4, y: (from.y + 2 * control.y + to.y) / 4 };
    const off = Math.hypot(control.x - wanted.x, control.y - wanted.y);
    if (off < distance) [label, distance] = [middle, off];
    from = to;
  }
  return { path: rest.length === 1 ? `${path}L${place(rest[0]!)}` : path, label };
}

const place = ({ x, y }: Point): string => `${Math.round(x)},${Math.round(y)}`;
