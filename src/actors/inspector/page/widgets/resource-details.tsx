// All that is known of one resource, and every command that touched it.

import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { CommandRecord } from "../../feed.ts";
import { useAskedAgain } from "../asked-again.ts";
import { orNull, pastCommands } from "../command-history.ts";
import { isError, summary, tookText } from "../command-text.ts";
import type { Row } from "../resources/table.ts";
import { wallMs } from "../store.ts";
import { bytes, clock, count, duration } from "../words.ts";
import type { ResourceLook } from "../resources/picture.ts";
import { Thumbnail } from "./resource-picture.tsx";
import { CommandDetails } from "./command-details.tsx";

const historyMax = 200;

interface ResourceDetailsProps {
  id: number;
  row: Row | undefined;
  picture: ResourceLook | null;
  /** Shows the picture as large as there is room. */
  look(): void;
  close(): void;
}

export function ResourceDetails({ id, row, picture, look, close }: ResourceDetailsProps) {
  const past = usePast(id);
  const chosen = useSignal<CommandRecord | null>(null);
  useEffect(() => void (chosen.value = null), [id]);
  if (chosen.value !== null)
    return <CommandDetails command={chosen.value} close={() => (chosen.value = null)} />;
  return (
    <aside class="side" aria-label={`Resource ${id}`}>
      <header>
        <h2>{`Resource ${id}`}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </header>
      {row !== undefined && <Thumbnail picture={picture} open={look} />}
      {row === undefined ? <p class="dim">It is gone.</p> : <Facts row={row} />}
      <History past={past.value} show={(command) => (chosen.value = command)} />
    </aside>
  );
}

interface HistoryProps {
  past: readonly CommandRecord[];
  show(command: CommandRecord): void;
}

const History = ({ past, show }: HistoryProps) => (
  <>
    <h2>
      {past.length < historyMax
        ? `Its history: ${count(past.length)} commands that are remembered`
        : `Its history: the last ${historyMax} commands`}
    </h2>
    <ul class="picks">
      {past.toReversed().map((command) => (
        <li key={command.id}>
          <button
            type="button"
            class={isError(command) ? "plain bad" : "plain"}
            onClick={() => show(command)}
          >
            <span class="mono dim">{clock(wallMs(command.takenNs)).slice(0, 12)}</span>
            <span class="what">
              {command.type}{" "}
              <span class="dim mono">{isError(command) ? command.response : summary(command)}</span>
            </span>
            <span class="dim">{tookText(command)}</span>
          </button>
        </li>
      ))}
    </ul>
  </>
);

const noCommands: readonly CommandRecord[] = [];

/** The last commands that named it. */
const usePast = (id: number): ReadonlySignal<readonly CommandRecord[]> =>
  useAskedAgain(id, noCommands, () => orNull(pastCommands(`res:${id}`, historyMax)));

function Facts({ row }: { row: Row }) {
  return (
    <>
      {row.marks.map(({ what, why }) => (
        <p key={what} class="note">
          <b class="warn">{what === "leak" ? "Perhaps a leak" : "Oversized"}</b>: {why}.
        </p>
      ))}
      <dl class="facts">
        {factsOf(row).map(([name, value]) => (
          <>
            <dt key={name}>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      <p>
        <a href={`#machines?machine=resource&state=${encodeURIComponent(row.state)}`}>Its lifecycle</a>
        {" · "}
        <a href={`#commands?filter=res:${row.id}`}>Its commands in the log</a>
      </p>
    </>
  );
}

function factsOf(row: Row): [string, string][] {
  const {
    state,
    kind,
    format,
    width,
    height,
    backingBytes,
    backingRuns,
    holders,
    scanouts,
    surface,
    uuid,
    createdNs,
  } = row;
  return [
    ["where", kind],
    ["state", state],
    ["picture", width === 0 ? "never shown" : `${width}×${height} ${format}`],
    ...(row.blob === "" ? [] : [["blob", row.blob] as [string, string]]),
    ["host memory", `${bytes(row.bytes)} (${count(row.bytes)} bytes)`],
    [
      "backing",
      backingBytes === 0
        ? "none"
        : `${bytes(backingBytes)} in ${count(backingRuns)} run${backingRuns === 1 ? "" : "s"}`,
    ],
    ["contexts", holders || "none"],
    ["scanouts", scanouts.join(", ") || "none"],
    ["surface", surface === 0 ? "none" : String(surface)],
    ["UUID", uuid || "not asked for"],
    ["made", createdNs === 0 ? "not seen" : clock(wallMs(createdNs))],
    ["last use", `${row.usedType} ${duration(row.idle)} ago`],
  ];
}
