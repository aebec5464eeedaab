// The scale of a recording: its frames, keyframes and refused commands over its time, and where the replay is. Drags go along.

import { askReplay, beginning, dragged, endOf, marks, togglePlaying } from "../replay.ts";
import type { ReplayState } from "../../../../transport/wire/replay/messages.ts";
import { position } from "../words.ts";

/** The scale's own units, of which it is so wide; it is stretched. */
const units = 1000;
const pageFrames = 10;

export function ReplayScale({ state }: { state: ReplayState }) {
  const { time, duration, frames, framesTotal } = state;
  const shown = dragged.value ?? time;
  const share = Math.min(1, shown / Math.max(1, duration));
  const drag = (event: PointerEvent): void => {
    const { left, width } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const at = Math.max(0, Math.min(1, (event.clientX - left) / width));
    dragged.value = Math.round(at * duration);
    askReplay({ type: "seek", time: dragged.value });
  };
  return (
    <div
      class="scale"
      role="slider"
      tabIndex={0}
      aria-label="Moment"
      aria-valuemin={0}
      aria-valuemax={Math.max(0, framesTotal - 1)}
      aria-valuenow={Math.max(0, frames - 1)}
      aria-valuetext={`${position(shown)}, frame ${Math.max(0, frames - 1)}`}
      onKeyDown={(event) => act(event, state)}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        drag(event);
      }}
      onPointerMove={(event) => {
        if (dragged.peek() !== null) drag(event);
      }}
      onPointerUp={() => (dragged.value = null)}
      onPointerCancel={() => (dragged.value = null)}
    >
      <Marks duration={duration} />
      <i class="done" style={{ width: `${100 * share}%` }} />
      <i class="thumb" style={{ left: `${100 * share}%` }} />
    </div>
  );
}

function Marks({ duration }: { duration: number }) {
  const { frames, keyframes, errors } = marks.value;
  const path = (times: readonly number[], from: number, to: number): string =>
    times.map((time) => `M${((units * time) / Math.max(1, duration)).toFixed(2)} ${from}V${to}`).join("");
  return (
    <svg viewBox={`0 0 ${units} 20`} preserveAspectRatio="none" aria-hidden="true">
      <path class="frame" d={path(frames, 7, 13)} />
      <path class="keyframe" d={path(keyframes, 15, 20)} />
      <path class="error" d={path(errors, 0, 5)} />
    </svg>
  );
}

function act(event: KeyboardEvent, state: ReplayState): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = (frames: number): void => askReplay({ type: "step", frames });
  const { key } = event;
  if (key === " ") togglePlaying();
  else if (key === "ArrowLeft" || key === "ArrowDown") step(-1);
  else if (key === "ArrowRight" || key === "ArrowUp") step(1);
  else if (key === "PageDown") step(-pageFrames);
  else if (key === "PageUp") step(pageFrames);
  else if (key === "Home") askReplay(beginning);
  else if (key === "End") askReplay(endOf(state));
  else return;
  // No view takes it, too.
  event.preventDefault();
  event.stopPropagation();
}
