// Every command as it ends: one line each, one filter, and all that is known of the one that is chosen.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { CommandRecord } from "../../feed.ts";
import { CommandStore } from "../command-store.ts";
import {
  contextText,
  isDeadly,
  isError,
  jsonLine,
  lossText,
  runNs,
  summary,
  tookText,
} from "../command-text.ts";
import { useKeys } from "../keys.ts";
import { saveFile } from "../save-file.ts";
import { connection, feedError, noteParameters, pastBeginsNs, viewParameters, wallMs } from "../store.ts";
import { CommandDetails } from "../widgets/command-details.tsx";
import { FilterField } from "../widgets/filter-field.tsx";
import { LongList } from "../widgets/long-list.tsx";
import { clock, count } from "../words.ts";

const store = new CommandStore();

const slowNs = 1e6;

export const commandLogKeys = [
  ["↑ ↓", "the command before or after; Home and End the first and the last"],
  ["p", "pause, and go on"],
  ["e", "export what is listed as JSON lines"],
] as const;

export function CommandLog() {
  const filter = useComputed(() => viewParameters.value.get("filter") ?? "");
  const chosen = useSignal<{ number: number; command: CommandRecord } | null>(null);
  const close = (): void => void (chosen.value = null);
  useEffect(() => store.follow(filter.value), [filter.value]);
  useEffect(() => {
    // Whatever server is there now, it begins with its own history; so does a replay that has gone elsewhere.
    const isAnother = store.ring.length > 0 || pastBeginsNs.value > 0;
    if (connection.value === "open" && isAnother) void store.restart();
  }, [connection.value, pastBeginsNs.value]);
  useKeys((key) => {
    if (key === "p") store.pause(!store.isPaused.peek());
    else if (key === "e") exportLines();
    else if (key === "Escape" && chosen.peek() !== null) close();
    else return false;
    return true;
  });
  const { ring } = store;
  void store.version.value;
  const select = (number: number): void => {
    const command = ring.at(number);
    if (command !== undefined) chosen.value = { number, command };
  };
  const isChosenListed = chosen.value !== null && ring.at(chosen.value.number) === chosen.value.command;
  return (
    <>
      <div class="column">
        <Tools filter={filter.value} />
        <div class="row heading" aria-hidden="true">
          <Columns of={headings} />
        </div>
        {ring.length === 0 ? (
          <p class="nothing">
            {filter.value === "" ? "No command yet" : "No command that the filter holds for"}
          </p>
        ) : (
          <LongList
            first={ring.first}
            end={ring.end}
            label="Commands"
            selected={isChosenListed ? chosen.value!.number : -1}
            select={select}
            row={lineOf}
          />
        )}
      </div>
      {chosen.value !== null && <CommandDetails command={chosen.value.command} close={close} />}
    </>
  );
}

/** Of a list that draws itself again, as when its size has changed, the command may be gone meanwhile. */
function lineOf(number: number) {
  const command = store.ring.at(number);
  return command === undefined ? null : <Line command={command} />;
}

function Tools({ filter }: { filter: string }) {
  const isPaused = store.isPaused.value;
  return (
    <div class="tools">
      <FilterField
        value={filter}
        placeholder="ctx:3 res:7 type:transfer queue:cursor errors fenced slow:>1ms"
        error={feedError.value}
        change={(value) => noteParameters(value === "" ? {} : { filter: value })}
      />
      <Count />
      <button type="button" title="p" aria-pressed={isPaused} onClick={() => store.pause(!isPaused)}>
        {isPaused ? "Paused" : "Pause"}
      </button>
      <button type="button" title="What is listed, as JSON lines (e)" onClick={exportLines}>
        Export
      </button>
    </div>
  );
}

function Count() {
  void store.version.value;
  const missed = store.missed.value;
  const folded = store.folded.value;
  return (
    <span class="dim count">
      {`${count(store.ring.length)} commands`}
      {missed > 0 && `, ${count(missed)} since the pause`}
      {folded > 0 && (
        <span title="More than a page can be told: /api/commands has them">{`, ${count(folded)} left out`}</span>
      )}
    </span>
  );
}

const headings = {
  ...{ time: "time", queue: "queue", number: "nr", type: "command", context: "ctx", resource: "res" },
  ...{ what: "what", response: "answer", took: "took" },
};

const Columns = ({ of }: { of: Record<keyof typeof headings, string> }) => (
  <>
    {Object.entries(of).map(([name, text]) => (
      <span key={name} class={`c-${name}`}>
        {text}
      </span>
    ))}
  </>
);

function Line({ command }: { command: CommandRecord }) {
  const { queue, id, type, fields, response, takenNs } = command;
  const took = runNs(command);
  const mark = isError(command) || isDeadly(command) ? "bad" : took > slowNs ? "slow" : "";
  return (
    <span class={`line ${mark}`}>
      <Columns
        of={{
          ...{
            time: clock(wallMs(takenNs)),
            queue: queue.replace("-queue", ""),
            number: id.split(":")[1]!,
            type,
          },
          ...{
            context: contextText(command),
            resource: idOf(fields["resourceId"]),
            what: summary(command),
          },
          ...{ response: response || lossText(command), took: tookText(command) },
        }}
      />
    </span>
  );
}

const idOf = (value: number | string | undefined): string =>
  value === undefined || value === 0 ? "" : String(value);

function exportLines(): void {
  const text = Array.from(store.ring, (command) => `${jsonLine(command)}\n`).join("");
  saveFile("fencepost-commands.jsonl", new Blob([text], { type: "application/jsonl" }));
}
