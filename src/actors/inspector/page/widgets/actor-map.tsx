// The actors and who talks to whom, as a drawing; what has traffic is lit.

import type { ActorRecord } from "../../feed.ts";
import { type ActorGraph, type Box, curve, nodeHeight, nodeWidth, type Pair } from "../actor-graph.ts";
import type { ActorTraffic } from "../actor-traffic.ts";
import { short } from "../words.ts";

/** A drawing is never larger than this many rem a unit, so that few actors are no giants. */
const remPerUnit = 1 / 12.5;

interface ActorMapProps {
  graph: ActorGraph;
  actors: readonly ActorRecord[];
  traffic: ActorTraffic;
  /** A pair's id or an actor's name. */
  chosen: string;
  choose(what: string): void;
}

export function ActorMap({ graph, actors, traffic, chosen, choose }: ActorMapProps) {
  const { width, height, boxes, pairs } = graph;
  const byName = new Map(actors.map((one) => [one.name, one]));
  return (
    <svg
      class="actor-map"
      viewBox={`0 0 ${width} ${height}`}
      style={{ maxWidth: `${width * remPerUnit}rem`, maxHeight: `${height * remPerUnit}rem` }}
      role="group"
      aria-label="Actors and their messages"
      onKeyDown={walk}
    >
      <defs>
        <marker
          id="arrow"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="7"
          markerHeight="7"
          orient="auto-start-reverse"
        >
          <path d="M0 1L7 4L0 7z" fill="context-stroke" />
        </marker>
      </defs>
      {pairs.map((pair) => (
        <Edge
          key={pair.id}
          pair={pair}
          traffic={traffic}
          isChosen={chosen === pair.id}
          choose={() => choose(pair.id)}
        />
      ))}
      {boxes.map((box) => (
        <Node
          key={box.name}
          box={box}
          actor={byName.get(box.name)}
          rate={traffic.rate(box.name)}
          isChosen={chosen === box.name}
          choose={() => choose(box.name)}
        />
      ))}
    </svg>
  );
}

interface EdgeProps {
  pair: Pair;
  traffic: ActorTraffic;
  isChosen: boolean;
  choose(): void;
}

function Edge({ pair, traffic, isChosen, choose }: EdgeProps) {
  const { id, from, to, points, label: at } = pair;
  const [there, back] = [traffic.rate(to, from), traffic.rate(from, to)];
  const path = curve(points);
  const label = [there > 0 ? `${short(there)}/s →` : "", back > 0 ? `← ${short(back)}/s` : ""].filter(
    Boolean,
  );
  const heat = there + back > 0 ? Math.min(1, 0.35 + Math.log10(1 + there + back) / 4) : 0;
  return (
    <g
      class={`edge ${heat > 0 ? "lit" : ""}`}
      role="button"
      tabindex={0}
      aria-label={`${id}: ${label.join(" ") || "quiet"}`}
      aria-pressed={isChosen}
      onClick={choose}
      onKeyDown={onEnter(choose)}
    >
      <path class="grip" d={path} />
      <path
        class="wire"
        d={path}
        style={{ "--heat": heat }}
        marker-end={there > 0 || back === 0 ? "url(#arrow)" : undefined}
        marker-start={back > 0 ? "url(#arrow)" : undefined}
      />
      {label.length > 0 && (
        <rect
          class="plate"
          x={at.x - 31}
          y={at.y - label.length * 6.5}
          width="62"
          height={label.length * 13}
        />
      )}
      {label.map((text, index) => (
        <text key={index} x={at.x} y={at.y + 3.5 + (index - (label.length - 1) / 2) * 13}>
          {text}
        </text>
      ))}
    </g>
  );
}

interface NodeProps {
  box: Box;
  actor: ActorRecord | undefined;
  rate: number;
  isChosen: boolean;
  choose(): void;
}

function Node({ box, actor, rate, isChosen, choose }: NodeProps) {
  if (actor === undefined) return null;
  const { name, state, restarts, busy, mailbox, isOutside } = actor;
  const waiting = Object.values(mailbox).reduce((sum, one) => sum + one, 0);
  const isWell = state === "running" || name === "supervisor";
  const inside = nodeWidth - 24;
  return (
    <g
      class="node"
      transform={`translate(${box.x - nodeWidth / 2} ${box.y - nodeHeight / 2})`}
      role="button"
      tabindex={0}
      data-actor={name}
      aria-label={`${name}: ${state}, ${short(rate)} messages a second`}
      aria-pressed={isChosen}
      onClick={choose}
      onKeyDown={onEnter(choose)}
    >
      <rect class="body" width={nodeWidth} height={nodeHeight} rx="7" />
      <circle class={isWell ? "lamp well" : "lamp ill"} cx="16" cy="19" r="4" />
      <text class="name" x="28" y="23.5">
        {name}
      </text>
      <text class="state" x="12" y="42">
        {state}
      </text>
      <text class="restarts" x={nodeWidth - 12} y="42">
        {restarts > 0 ? `${restarts} restarts` : ""}
      </text>
      {isOutside ? (
        <text class="state" x="12" y="64">
          outside of the server
        </text>
      ) : (
        <>
          <text class="figure" x="12" y="64">
            {`${short(rate)}/s`}
          </text>
          <text class={waiting > 0 ? "figure end warn" : "figure end"} x={nodeWidth - 12} y="64">
            {`${waiting} waiting`}
          </text>
          <rect class="track" x="12" y="75" width={inside} height="5" rx="2.5" />
          <rect class="level" x="12" y="75" width={inside * busy} height="5" rx="2.5" />
          <title>{`awake ${(busy * 100).toFixed(1)} % of the time`}</title>
        </>
      )}
    </g>
  );
}

const onEnter =
  (act: () => void) =>
  (event: KeyboardEvent): void => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  };

/** Arrow keys go to the nearest actor or edge in that direction. */
function walk(event: KeyboardEvent): void {
  const directions: Record<string, [number, number]> = {
    ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] },
  };
  const direction = directions[event.key];
  const from = document.activeElement;
  if (direction === undefined || !(from instanceof SVGElement)) return;
  event.preventDefault();
  const [dx, dy] = direction;
  const start = centre(from);
  let nearest: SVGElement | null = null;
  let least = Infinity;
  for (const one of (event.currentTarget as Element).querySelectorAll<SVGElement>("[tabindex]")) {
    const { x, y } = centre(one);
    const along = (x - start.x) * dx + (y - start.y) * dy;
    const aside = Math.abs((x - start.x) * dy + (y - start.y) * dx);
    if (one === from || along < 4) continue;
    if (along + 2 * aside < least) [least, nearest] = [along + 2 * aside, one];
  }
  nearest?.focus();
}

function centre(element: Element): { x: number; y: number } {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { x: x + width / 2, y: y + height / 2 };
}
