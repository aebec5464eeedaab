// The bar of a page that is of a recording: plays it, stops it, goes to any moment.

import { count, position } from "../words.ts";
import { askReplay, beginning, endOf, replay, replayState, togglePlaying } from "../replay.ts";
import { useKeys } from "../keys.ts";
import type { ReplayState } from "../../../../transport/wire/replay/messages.ts";
import { ReplayScale } from "./replay-scale.tsx";

export function ReplayBar() {
  const state = replayState.value;
  useKeys((key) => state !== null && act(key, state));
  if (state === null) return null;
  const isPlaying = state.activity === "playing";
  return (
    <section class="replay" aria-label="Recording">
      <button type="button" class="plain" title="The frame before (,)" onClick={() => step(-1)}>
        <Sign path="M11 3 5 8l6 5zM4 3h1.5v10H4z" />
      </button>
      <button
        type="button"
        title={isPlaying ? "Pause (k)" : "Play (k)"}
        aria-pressed={isPlaying}
        onClick={togglePlaying}
      >
        <Sign path={isPlaying ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4 2.5 13 8l-9 5.5z"} />
      </button>
      <button type="button" class="plain" title="The next frame (.)" onClick={() => step(1)}>
        <Sign path="M5 3l6 5-6 5zM10.5 3H12v10h-1.5z" />
      </button>
      <ReplayScale state={state} />
      <Place state={state} />
      <Speed state={state} />
    </section>
  );
}

const step = (frames: number): void => askReplay({ type: "step", frames });

function act(key: string, state: ReplayState): boolean {
  if (key === "k") togglePlaying();
  else if (key === ",") step(-1);
  else if (key === ".") step(1);
  else if (key === "<") askReplay({ type: "step", commands: -1 });
  else if (key === ">") askReplay({ type: "step", commands: 1 });
  else if (key === "[") askReplay(beginning);
  else if (key === "]") askReplay(endOf(state));
  else return false;
  return true;
}

const Sign = ({ path }: { path: string }) => (
  <svg class="sign" viewBox="0 0 16 16" aria-hidden="true">
    <path d={path} />
  </svg>
);

function Place({ state }: { state: ReplayState }) {
  const { frames, framesTotal, commands, commandsTotal, time, error } = state;
  return (
    <span class="place">
      <span class="mono" title={`of ${position(state.duration)}`}>
        {position(time)}
      </span>
      <label title="Frames are counted from 0: type one, and Enter">
        frame{" "}
        <input
          class="mono"
          inputMode="numeric"
          aria-label="Frame"
          size={String(framesTotal).length + 1}
          value={frames === 0 ? "" : String(frames - 1)}
          onChange={({ currentTarget }) => goToFrame(currentTarget)}
        />
        <span class="dim">{` of ${count(Math.max(0, framesTotal - 1))}`}</span>
      </label>
      <span
        class="mono dim"
        // The scale beside it is not to move while somebody drags.
        style={{ minWidth: `${8 + Math.max(3, count(commandsTotal).length)}ch` }}
        title={`of ${count(Math.max(0, commandsTotal - 1))}; counted from 0`}
      >
        {commands === 0 ? "no command" : `command ${count(commands - 1)}`}
      </span>
      <Notice state={state} error={error} />
    </span>
  );
}

function Notice({ state: { seek, commands }, error }: { state: ReplayState; error: string }) {
  const { lacks = [], ending = "" } = replay.value ?? {};
  if (error !== "") return <span class="bad notice">{error}</span>;
  if (seek !== null) {
    const share = (commands - seek.from) / Math.max(1, seek.to - seek.from);
    return <span class="dim notice">{`${Math.round(100 * Math.max(0, Math.min(1, share)))} %`}</span>;
  }
  return (
    <span class="dim notice" tabIndex={0} title={[...lacks, `Its end: ${ending}`].join("\n")}>
      info
    </span>
  );
}

function goToFrame(field: HTMLInputElement): void {
  const frame = Number(field.value.replaceAll(/[,\s]/g, ""));
  if (Number.isInteger(frame) && frame >= 0) askReplay({ type: "seek", frame });
  field.blur();
}

const speeds = [
  ["0.25", "×¼"],
  ["1", "×1"],
  ["4", "×4"],
  ["16", "×16"],
  ["", "fast"],
] as const;

const Speed = ({ state: { speed } }: { state: ReplayState }) => (
  <select
    aria-label="Speed"
    title="How fast it plays"
    value={speed === null ? "" : String(speed)}
    onChange={({ currentTarget: { value } }) =>
      askReplay({ type: "speed", speed: value === "" ? null : Number(value) })
    }
  >
    {speeds.map(([value, text]) => (
      <option key={value} value={value}>
        {text}
      </option>
    ))}
  </select>
);
