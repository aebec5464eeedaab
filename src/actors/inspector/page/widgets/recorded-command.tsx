// A command of the recording: what it was, and the way there.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RecordedCommand } from "../../../../transport/wire/replay/messages.ts";
import { summary } from "../command-text.ts";
import { askReplay, recordedAs, replay, replayState } from "../replay.ts";
import { count, position } from "../words.ts";

/** One that has made a pixel. */
export function RecordedMaker({ title, command }: { title: string; command: RecordedCommand | null }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {command === null ? (
        <p class="dim">nothing since the resource was made, or the recording began</p>
      ) : (
        <p>
          {command.type} <span class="mono">{`command ${count(command.number)}`}</span>
          <br />
          <span class="mono dim">{summary({ fields: command.fields, writes: [] })}</span>
          <br />
          <span class="mono dim">{position(command.time)}</span> <GoThere command={command} />
        </p>
      )}
    </section>
  );
}

/** Which of the recording's a command of the server's is; nothing where there is no recording. */
export function RecordedAs({ id }: { id: string }) {
  const command = useSignal<RecordedCommand | null>(null);
  useEffect(() => {
    let isGone = false;
    command.value = null;
    if (replay.peek() !== null) {
      void recordedAs(id).then((found) => {
        if (!isGone) command.value = found;
      });
    }
    return () => void (isGone = true);
  }, [id]);
  if (command.value === null) return null;
  return (
    <p>
      {`command ${count(command.value.number)} of the recording, at ${position(command.value.time)} `}
      <GoThere command={command.value} />
    </p>
  );
}

function GoThere({ command: { number } }: { command: RecordedCommand }) {
  if (replayState.value?.commands === number + 1) return <span class="tag good">the replay is there</span>;
  return (
    <button type="button" onClick={() => askReplay({ type: "seek", command: number })}>
      Go there
    </button>
  );
}
