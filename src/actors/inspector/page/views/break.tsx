// Break and step: where the ctrl queue is to stop, what is about to run there and what that touches, and what ran before.

import { useSignal } from "@preact/signals";
import type { BreakRecord, CommandRecord } from "../../feed.ts";
import { pauseText } from "../break-text.ts";
import { breakRecord, goOn, isPausedHere, ownBreak, ranSince, setBreak, step } from "../breaks.ts";
import { isError, summary, tookText } from "../command-text.ts";
import { useKeys } from "../keys.ts";
import { feedError, newestNs, noteParameters, viewParameters } from "../store.ts";
import { CommandDetails } from "../widgets/command-details.tsx";
import { FilterField } from "../widgets/filter-field.tsx";
import { NextCommand } from "../widgets/next-command.tsx";
import { count } from "../words.ts";

export const breakKeys = [
  ["b", "break at what the filter holds for, at the next command where it is empty; or clear the break"],
  ["s", "let one command run"],
  ["c", "go on, until the break holds again"],
  ["Esc", "close the command that is open"],
] as const;

const filterNow = (): string => viewParameters.value.get("filter") ?? "";
/** Clears the break that is as the filter says; sets it otherwise. */
const switchBreak = (): void => setBreak(ownBreak.value === filterNow() ? null : filterNow());

export function Break() {
  const chosen = useSignal<CommandRecord | null>(null);
  const close = (): void => void (chosen.value = null);
  useKeys((key) => {
    if (key === "b") switchBreak();
    else if (key === "s") step();
    else if (key === "c") goOn();
    else if (key === "Escape" && chosen.peek() !== null) close();
    else return false;
    return true;
  });
  const record = breakRecord.value;
  return (
    <>
      <div class="column">
        <Tools isPaused={record?.state === "paused"} />
        {record !== null && <State record={record} />}
        <div class="scroll break" tabIndex={0} role="region" aria-label="Where the ctrl queue is">
          {record?.next != null && <NextCommand command={record.next} touches={record.touches} />}
          {record?.state === "paused" && <Cause cause={record.cause} open={(one) => (chosen.value = one)} />}
          {record?.state === "paused" && <Ran open={(one) => (chosen.value = one)} />}
        </div>
      </div>
      {chosen.value !== null && <CommandDetails command={chosen.value} close={close} />}
    </>
  );
}

function Tools({ isPaused }: { isPaused: boolean }) {
  const filter = filterNow();
  const isSet = ownBreak.value === filter;
  return (
    <div class="tools">
      <FilterField
        value={filter}
        placeholder="type:flush res:7, errors, slow:>1ms, fence-age:>1s; empty: any command"
        error={feedError.value}
        change={(value) => noteParameters(value === "" ? {} : { filter: value })}
      />
      <button type="button" title="b" aria-pressed={isSet} onClick={switchBreak}>
        {isSet ? "Clear" : "Break"}
      </button>
      <button type="button" title="One command (s)" disabled={!isPaused} onClick={step}>
        Step
      </button>
      <button type="button" title="c" disabled={!isPaused} onClick={goOn}>
        Continue
      </button>
    </div>
  );
}

function State({ record }: { record: BreakRecord }) {
  const { state, breaks } = record;
  const own = ownBreak.value;
  return (
    <p class={`pause ${state}`} role="status">
      <span class={state === "paused" ? "tag warn" : "tag"}>{state}</span> {pauseText(record, newestNs())}
      {own !== null && !isPausedHere.value && breaks.length > 1 && (
        <span class="dim">{`; ${count(breaks.length - 1)} of others`}</span>
      )}
    </p>
  );
}

interface Openable {
  open(command: CommandRecord): void;
}

const Cause = ({ cause, open }: Openable & { cause: CommandRecord | null }) =>
  cause === null ? null : (
    <section aria-label="Why it stopped">
      <h2>Why it stopped</h2>
      <ul class="picks">
        <Line command={cause} open={open} />
      </ul>
    </section>
  );

function Ran({ open }: Openable) {
  const ran = ranSince.value;
  if (ran.length === 0) return null;
  return (
    <section aria-label="What ran before">
      <h2>{`Ran before: ${count(ran.length)} command${ran.length === 1 ? "" : "s"}, the last first`}</h2>
      <ul class="picks">
        {ran.map((command) => (
          <Line key={command.id} command={command} open={open} />
        ))}
      </ul>
    </section>
  );
}

const Line = ({ command, open }: Openable & { command: CommandRecord }) => (
  <li>
    <button type="button" class={isError(command) ? "plain bad" : "plain"} onClick={() => open(command)}>
      <span class="mono dim">{command.id.split(":")[1]}</span>
      <span class="what">
        {command.type} <span class="dim">{isError(command) ? command.response : summary(command)}</span>
      </span>
      <span class="dim">{(command.completedNs === 0 && command.response) || tookText(command)}</span>
    </button>
  </li>
);
