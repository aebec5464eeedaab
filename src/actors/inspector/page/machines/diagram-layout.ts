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

/** A smooth line through the points. */
function curve(points: readonly { x: number; y: number }[]): string {
  const [first, ...rest] = points.map(({ x, y }) => [Math.round(x), Math.round(y)] as const);
  let path = `M${first!.join(",")}`;
  for (let index = 0; index < rest.length - 1; index++) {
    const [control, next] = [rest[index]!, rest[index + 1]!];
    const isLast = index === rest.length - 2;
    const end = isLast ? next : [(control[0] + next[0]) / 2, (control[1] + next[1]) / 2];
    path += `Q${control.join(",")} ${end.join(",")}`;
  }
  return rest.length === 1 ? `${path}L${rest[0]!.join(",")}` : path;
}
