// Both queues, fences, the display and its sinks on one axis of time: see what waits for what.

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useKeys } from "../keys.ts";
import { connection, onBatch, pastBeginsNs, viewParameters } from "../store.ts";
import type { Span } from "../timeline/spans.ts";
import { Viewer } from "../timeline/viewer.ts";
import { CommandDetails } from "../widgets/command-details.tsx";
import { FilterField } from "../widgets/filter-field.tsx";
import { FoldDetails, SpanDetails } from "../widgets/span-details.tsx";
import { count } from "../words.ts";

/** It stays while other views are open, so that one who comes back sees what was looked at. */
const viewer = new Viewer();

export const timelineKeys = [
  ["← →", "move along; with Shift, to the span before or after"],
  ["↑ ↓", "to what is near in time in the lane above or below"],
  ["+ or −", "look closer, or from farther away"],
  ["f", "fit what came of the chosen command, again that alone, or all"],
  ["n or b", "the next match of the search, or the one before"],
  ["p or Space", "pause, and go on"],
  ["l", "follow what comes"],
] as const;

const panPixels = 90;
const zoomStep = 1.5;

export function Timeline() {
  const id = viewParameters.value.get("command");
  useEffect(() => onBatch((batch) => viewer.take(batch)), []);
  useEffect(() => {
    if (connection.value === "open") void viewer.renew(pastBeginsNs.value);
    if (connection.value === "lost") viewer.isLost = true;
  }, [connection.value, pastBeginsNs.value]);
  useEffect(() => {
    if (id !== null) void viewer.showCommand(id);
  }, [id]);
  useKeys(act);
  return (
    <>
      <div class="column">
        <Tools />
        <Canvas />
        <Legend />
      </div>
      <Chosen />
    </>
  );
}

function Chosen() {
  const chosen = viewer.chosen.value;
  if (chosen === null) return null;
  const close = (): void => viewer.choose(null);
  const { span, lane } = chosen;
  if (viewer.fold.value.length > 1) {
    const choose = (one: Span): void => viewer.choose({ lane, span: one });
    return <FoldDetails lane={lane} spans={viewer.fold.value} choose={choose} close={close} />;
  }
  const command = viewer.lanes.command(span.command);
  if (command === undefined) return <SpanDetails span={span} lane={lane} close={close} />;
  return <CommandDetails command={command} close={close} />;
}

function act(key: string, event: KeyboardEvent): boolean {
  const onButton = event.target instanceof HTMLButtonElement;
  if (key === " " && !onButton) viewer.pause(!viewer.isPaused.peek());
  else if (key === "ArrowLeft" && event.shiftKey) viewer.step("before");
  else if (key === "ArrowRight" && event.shiftKey) viewer.step("after");
  else if (key === "ArrowLeft") viewer.pan(-panPixels);
  else if (key === "ArrowRight") viewer.pan(panPixels);
  else if (key === "ArrowUp") viewer.step("above");
  else if (key === "ArrowDown") viewer.step("below");
  else if (key === "PageUp" || key === "PageDown") viewer.pan(0, key === "PageUp" ? -200 : 200);
  else if (key === "+" || key === "=") viewer.zoom(1 / zoomStep);
  else if (key === "-") viewer.zoom(zoomStep);
  else if (key === "f") viewer.fit();
  else if (key === "n") viewer.goOn(1);
  else if (key === "b") viewer.goOn(-1);
  else if (key === "p") viewer.pause(!viewer.isPaused.peek());
  else if (key === "l") viewer.live();
  else if (key === "Escape" && viewer.chosen.peek() !== null) viewer.choose(null);
  else return false;
  return true;
}

function Tools() {
  const [isPaused, isLive, search] = [viewer.isPaused.value, viewer.isLive.value, viewer.search.value];
  return (
    <div class="tools">
      <FilterField
        value={search}
        placeholder="search: flush res:7 ctx:3 fence:12 errors fenced"
        error=""
        change={(text) => viewer.look(text)}
      />
      {viewer.leftOut.value > 0 && (
        <span class="dim count" title="More than a page can be told: /api/commands has them">
          {`${count(viewer.leftOut.value)} left out`}
        </span>
      )}
      {search !== "" && <Matches />}
      <button type="button" title="From farther away (−)" onClick={() => viewer.zoom(zoomStep)}>
        −
      </button>
      <button type="button" title="Closer (+)" onClick={() => viewer.zoom(1 / zoomStep)}>
        +
      </button>
      <button type="button" title="All, or what is chosen (f)" onClick={() => viewer.fit()}>
        Fit
      </button>
      <button type="button" title="Follow what comes (l)" aria-pressed={isLive} onClick={() => viewer.live()}>
        Follow
      </button>
      <button type="button" title="p" aria-pressed={isPaused} onClick={() => viewer.pause(!isPaused)}>
        {isPaused ? "Paused" : "Pause"}
      </button>
    </div>
  );
}

const Matches = () => (
  <>
    <span class="dim count matches">{`${count(viewer.matches.value)} found`}</span>
    <button type="button" title="The match before (b)" onClick={() => viewer.goOn(-1)}>
      ‹
    </button>
    <button type="button" title="The next match (n)" onClick={() => viewer.goOn(1)}>
      ›
    </button>
  </>
);

/** The wheel looks closer, with Shift it scrolls the lanes; a drag pans, a click chooses. */
function Canvas() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current!;
    // Not by onWheel, since a passive listener may not keep the page from scrolling.
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      if (event.shiftKey) viewer.pan(0, viewer.units(event.deltaY || event.deltaX));
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) viewer.pan(viewer.units(event.deltaX));
      else viewer.zoom(1.0015 ** event.deltaY, viewer.units(event.offsetX));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    const stop = viewer.show(element);
    return () => {
      element.removeEventListener("wheel", wheel);
      stop();
    };
  }, []);
  const { down, move, up } = useDrag(canvas);
  return (
    <canvas
      ref={canvas}
      class="timeline"
      tabIndex={0}
      role="application"
      aria-label="Timeline: arrow keys move, Shift and arrow keys choose"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
    >
      <ul>
        {viewer.summary.value.map(({ title, count: spans }) => (
          <li key={title}>{`${title}: ${count(spans)}`}</li>
        ))}
      </ul>
    </canvas>
  );
}

/** A press that moves pans, one that does not chooses. */
function useDrag(canvas: RefObject<HTMLCanvasElement | null>) {
  const drag = useRef<{ x: number; y: number; isMoved: boolean } | null>(null);
  const down = (event: PointerEvent): void => {
    canvas.current!.setPointerCapture(event.pointerId);
    drag.current = { x: event.offsetX, y: event.offsetY, isMoved: false };
  };
  const move = (event: PointerEvent): void => {
    const { current } = drag;
    if (current === null) {
      canvas.current!.title = viewer.hint(event.offsetX, event.offsetY);
      return;
    }
    const [x, y] = [current.x - event.offsetX, current.y - event.offsetY];
    if (!current.isMoved && Math.abs(x) + Math.abs(y) < 4) return;
    drag.current = { x: event.offsetX, y: event.offsetY, isMoved: true };
    viewer.pan(viewer.units(x), viewer.units(y));
  };
  const up = (event: PointerEvent): void => {
    if (drag.current?.isMoved === false) viewer.chooseAt(event.offsetX, event.offsetY);
    drag.current = null;
  };
  return { down, move, up };
}

const legend = [
  ["wait", "kick to taken"],
  ["run", "runs"],
  ["fence", "waits for a fence"],
  ["publish", "done, to be seen with its batch"],
  ["frame", "a sink's frame"],
] as const;

const Legend = () => (
  <footer class="legend">
    {legend.map(([kind, words]) => (
      <span key={kind}>
        <i class={`swatch ${kind}`} />
        {words}
      </span>
    ))}
    <span class="bad">an error</span>
    <span class="space" />
    <span>wheel looks closer, drag moves, equal neighbours are one bar</span>
  </footer>
);
