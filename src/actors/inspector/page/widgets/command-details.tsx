// All that is known of one command.

import type { ComponentChildren } from "preact";
import type { CommandRecord, Move, Written } from "../../feed.ts";
import {
  contextText,
  filterOf,
  hexDump,
  isError,
  isOver,
  lossText,
  type Part,
  parts,
} from "../command-text.ts";
import { wallMs } from "../store.ts";
import { clock, duration } from "../words.ts";
import { RecordedAs } from "./recorded-command.tsx";

export function CommandDetails({ command, close }: { command: CommandRecord; close(): void }) {
  const { id, type, flags, moves, writes, request, bytes } = command;
  return (
    <aside class="side" aria-label={`Command ${id}`}>
      <header>
        <h2>{type}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </header>
      <p>
        <a class="mono" href={link(`id:${id}`)}>
          {id}
        </a>{" "}
        <span class={isError(command) ? "tag bad" : "tag good"}>
          {command.response || lossText(command) || "no answer yet"}
        </span>{" "}
        {flags.map((flag) => (
          <span key={flag} class="tag">
            {flag}
          </span>
        ))}
        <a href={`#timeline?${new URLSearchParams({ command: id })}`}>on the timeline</a>
      </p>
      <RecordedAs id={id} />
      <TimeBar all={parts(command)} />
      <Section title="Fields">
        <CommandFields command={command} />
      </Section>
      <Outcome command={command} />
      <Writes all={writes} />
      {moves.length > 0 && (
        <Section title="States">
          <ul class="moves">{moves.map(moveLine)}</ul>
        </Section>
      )}
      <Section
        title={`Request, ${request.length < bytes ? `the first ${request.length} of ` : ""}${bytes} bytes`}
      >
        <pre class="hex">{hexDump(request)}</pre>
      </Section>
    </aside>
  );
}

/** Every field; those by which commands are found lead to them. */
export const CommandFields = ({ command }: { command: CommandRecord }) => (
  <dl class="facts">
    {Object.entries(command.fields).map(([name, value]) => (
      <Fact key={name} name={name} filter={filterOf(name, value)}>
        {name === "contextId" ? contextText(command) || value : value}
      </Fact>
    ))}
  </dl>
);

function Writes({ all }: { all: readonly Written[] }) {
  if (all.length === 0) return null;
  return (
    <Section title="What its stream may have written">
      <dl class="facts">
        {all.map((one) => (
          <Fact
            key={one.resource}
            name={one.resource === 0 ? "others" : `resource ${one.resource}`}
            filter={one.resource === 0 ? null : `res:${one.resource}`}
          >
            {areaText(one)}
          </Fact>
        ))}
      </dl>
    </Section>
  );
}

function Outcome({ command }: { command: CommandRecord }) {
  const { fences, waitsFor, parkedNs, completedNs, lostNs } = command;
  return (
    <Section title="What came of it">
      <dl class="facts">
        <Fact name="taken">{clock(wallMs(command.takenNs))}</Fact>
        {completedNs > 0 && <Fact name="answer">{`${command.responseBytes} bytes`}</Fact>}
        {completedNs > 0 && (
          <Fact name="interrupt">
            {command.isInterrupted ? "yes" : "no: none was asked for, or an earlier one serves"}
          </Fact>
        )}
        {lostNs > 0 && <Fact name="its process died">{clock(wallMs(lostNs))}</Fact>}
        {fences.length > 0 && <Fact name="fences made">{fences.join(", ")}</Fact>}
        {waitsFor > 0 && (
          <Fact name={isOver(command) ? "waited for fence" : "waits for fence"}>{waitsFor}</Fact>
        )}
        {!isOver(command) && parkedNs > 0 && <Fact name="waits since">{clock(wallMs(parkedNs))}</Fact>}
      </dl>
    </Section>
  );
}

const areaText = ({ resource, x, y, width, height }: Written): string =>
  resource === 0
    ? "beyond sixteen"
    : width === 0
      ? "no pixel of its picture"
      : `${width}×${height} at ${x}, ${y}`;

const link = (filter: string): string => `#commands?${new URLSearchParams({ filter })}`;

const Section = ({ title, children }: { title: string; children: ComponentChildren }) => (
  <section>
    <h2>{title}</h2>
    {children}
  </section>
);

const Fact = (props: { name: string; filter?: string | null; children: ComponentChildren }) => (
  <>
    <dt>{props.name}</dt>
    <dd>{props.filter ? <a href={link(props.filter)}>{props.children}</a> : props.children}</dd>
  </>
);

const moveLine = ({ machine, id, event, from, to, isRefused }: Move, index: number) => (
  <li key={index} class={isRefused ? "bad" : ""}>
    <b>{`${machine} ${id}`}</b> {from} <span class="dim">{event} →</span> {to}
  </li>
);

/** Where the time went, in proportion, and in words. */
function TimeBar({ all }: { all: readonly Part[] }) {
  const total = all.reduce((sum, { ns }) => sum + ns, 0);
  if (total === 0) return null;
  return (
    <section>
      <div class="time-bar">
        {all.map(({ kind, name, ns }) => (
          <span key={name} class={kind} style={{ flexGrow: ns / total }} />
        ))}
      </div>
      <dl class="facts time-facts">
        {all.map(({ kind, name, ns }) => (
          <Fact key={name} name={name}>
            <span class={`swatch ${kind}`} />
            {duration(ns)}
          </Fact>
        ))}
      </dl>
    </section>
  );
}
