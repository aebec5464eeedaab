// A machine's diagram: states that somebody is in are lit, ways are as thick as they are gone, refusals are red.

import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Tally } from "../machines/counts.ts";
import {
  type Box,
  boxHeight,
  drawingFor,
  exitLabel,
  lineHeight,
  nameLines,
  type Way,
} from "../machines/diagram-layout.ts";
import type { Graph, GraphEdge } from "../machines/graph.ts";
import { count, short } from "../words.ts";

interface MachineDiagramProps {
  graph: Graph;
  tally: Tally;
  population: ReadonlyMap<string, number>;
  /** What is chosen: a state's name, an edge's "from to", or "". */
  state: string;
  edge: string;
  chooseState(name: string): void;
  chooseEdge(key: string): void;
}

/** A unit of a diagram in rem, at most and at least: its text is legible then. */
const [unitMax, unitMin] = [1 / 11, 1 / 19];

export function MachineDiagram(props: MachineDiagramProps) {
  const { graph, tally, population, state, edge, chooseState, chooseEdge } = props;
  const frame = useRef<HTMLDivElement>(null);
  const size = useSize(frame);
  const { width: columns, height: rows } = size.value;
  const drawing = useMemo(() => drawingFor(graph, columns / unitMax, rows / unitMax), [graph, columns, rows]);
  const { width, height, boxes, ways } = drawing;
  const unit = Math.max(unitMin, Math.min(unitMax, (columns - 1) / width, (rows - 1) / height));
  return (
    <div class="diagram" ref={frame}>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        style={{ width: `${width * unit}rem`, height: `${height * unit}rem` }}
        aria-label={`The ${graph.name} machine`}
      >
        <Tips />
        {ways.map((way) => (
          <Arrow
            key={keyOf(way)}
            way={way}
            tally={tally}
            isChosen={keyOf(way) === edge}
            near={state}
            choose={chooseEdge}
          />
        ))}
        {boxes.map((box) => (
          <State
            key={box.state.name}
            box={box}
            exits={graph.exits.filter(({ from }) => from === box.state.name)}
            tally={tally}
            inside={population.get(box.state.name) ?? 0}
            isChosen={box.state.name === state}
            choose={chooseState}
          />
        ))}
      </svg>
    </div>
  );
}

/** In rem. */
function useSize(frame: RefObject<HTMLDivElement | null>): ReadonlySignal<{ width: number; height: number }> {
  const size = useSignal({ width: 800, height: 600 });
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      const { clientWidth, clientHeight } = frame.current!;
      size.value = { width: clientWidth / rem, height: clientHeight / rem };
    });
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);
  return size;
}

const Tips = () => (
  <defs>
    {["idle", "gone", "chosen"].map((kind) => (
      <marker
        key={kind}
        id={`tip-${kind}`}
        class={`tip ${kind}`}
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerWidth="7"
        markerHeight="7"
        markerUnits="userSpaceOnUse"
        orient="auto-start-reverse"
      >
        <path d="M0,0.8 8,4 0,7.2z" />
      </marker>
    ))}
  </defs>
);

const keyOf = ({ edge: { from, to } }: Way): string => `${from} ${to}`;

interface ArrowProps {
  way: Way;
  tally: Tally;
  isChosen: boolean;
  /** The chosen state, whose ways stand out. */
  near: string;
  choose(key: string): void;
}

function Arrow({ way, tally, isChosen, near, choose }: ArrowProps) {
  const { path, label, edge } = way;
  const gone = tally.edges.get(keyOf(way))?.count ?? 0;
  const isNear = near !== "" && (edge.from === near || edge.to === near);
  const kind = isChosen || isNear ? "chosen" : gone > 0 ? "gone" : "idle";
  const lines = label.lines.map((line) => line.toLowerCase().replaceAll("_", " "));
  const top = label.y - ((lines.length - (gone > 0 ? 0 : 1)) * lineHeight) / 2;
  return (
    <g class={`way ${kind}`} onClick={() => choose(keyOf(way))}>
      <path
        d={path}
        style={{ strokeWidth: gone === 0 ? 1 : 1.4 + Math.log10(gone) / 2 }}
        marker-end={`url(#tip-${kind})`}
      />
      <title>{`${edge.from} → ${edge.to}: ${edge.events.join(", ")}${gone > 0 ? `, ${count(gone)} times` : ""}`}</title>
      {gone > 0 && (
        <text class="times" x={label.x} y={top}>
          {short(gone)}
        </text>
      )}
      {lines.map((line, index) => (
        <text key={line} x={label.x} y={top + (index + (gone > 0 ? 1 : 0)) * lineHeight}>
          {line}
        </text>
      ))}
    </g>
  );
}

interface StateProps {
  box: Box;
  exits: readonly GraphEdge[];
  tally: Tally;
  inside: number;
  isChosen: boolean;
  choose(name: string): void;
}

function State({ box, exits, tally, inside, isChosen, choose }: StateProps) {
  const { x, y, width, height, state } = box;
  const refused = (tally.refused.get(state.name) ?? []).reduce((sum, one) => sum + one.count, 0);
  const key = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(state.name);
  };
  const names = nameLines(state.name);
  const below = boxHeight + (names.length - 1) * lineHeight;
  const words = [state.name, inside > 0 ? `${inside} now` : "", refused > 0 ? `${refused} refused` : ""];
  return (
    <g
      class={`state ${inside > 0 ? "lit" : ""} ${isChosen ? "chosen" : ""}`}
      transform={`translate(${x - width / 2},${y - height / 2})`}
      tabindex={0}
      role="button"
      aria-pressed={isChosen}
      aria-label={words.filter(Boolean).join(", ")}
      onClick={() => choose(state.name)}
      onKeyDown={key}
    >
      <rect width={width} height={height} rx={state.isInitial ? 20 : 6} />
      {state.isFinal && <rect class="inner" x="3" y="3" width={width - 6} height={height - 6} rx="4" />}
      {names.map((line, index) => (
        <text key={line} x={width / 2} y={(inside > 0 ? 13 : 20) + index * lineHeight}>
          {line}
        </text>
      ))}
      {inside > 0 && (
        <text class="inside" x={width / 2} y={below - 12}>
          {`${short(inside)} now`}
        </text>
      )}
      <Exits exits={exits} tally={tally} x={width / 2} y={below + 3} />
      {refused > 0 && <RefusedCount x={width - 4} words={short(refused)} />}
    </g>
  );
}

const RefusedCount = ({ x, words }: { x: number; words: string }) => (
  <g class="refused" transform={`translate(${x},0)`}>
    <rect x={-words.length * 7 - 8} y="-9" width={words.length * 7 + 14} height="18" rx="9" />
    <text x={-words.length * 3.5 - 1}>{words}</text>
  </g>
);

interface ExitsProps {
  exits: readonly GraphEdge[];
  tally: Tally;
  x: number;
  y: number;
}

/** What leads away at once, below the name. */
const Exits = ({ exits, tally, x, y }: ExitsProps) => (
  <>
    {exits.map((exit, index) => {
      const times = tally.edges.get(`${exit.from} ${exit.to}`)?.count ?? 0;
      return (
        <text key={index} class={times > 0 ? "exit gone" : "exit"} x={x} y={y + index * lineHeight}>
          {times > 0 && <tspan class="times">{`${short(times)} `}</tspan>}
          {exitLabel(exit).replaceAll("_", " ")}
        </text>
      );
    })}
  </>
);
