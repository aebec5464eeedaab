// All that is known of one command.

import type { ComponentChildren } from "preact";
import type { CommandRecord, Move } from "../../feed.ts";
import { filterOf, hexDump, isError, type Part, parts } from "../command-text.ts";
import { wallMs } from "../store.ts";
import { clock, duration } from "../words.ts";

export function CommandDetails({ command, close }: { command: CommandRecord; close(): void }) {
  const { id, type, flags, fields, moves, request, bytes } = command;
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
        <span class={isError(command) ? "tag bad" : "tag good"}>{command.response || "no answer yet"}</span>{" "}
        {flags.map((flag) => (
          <span key={flag} class="tag">
            {flag}
          </span>
        ))}
        <a href={`#timeline?${new URLSearchParams({ command: id })}`}>on the timeline</a>
      </p>
      <TimeBar all={parts(command)} />
      <Section title="Fields">
        <dl class="facts">
          {Object.entries(fields).map(([name, value]) => (
            <Fact key={name} name={name} filter={filterOf(name, value)}>
              {value}
            </Fact>
          ))}
        </dl>
      </Section>
      <Outcome command={command} />
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

function Outcome({ command }: { command: CommandRecord }) {
  const { fences, waitsFor } = command;
  return (
    <Section title="What came of it">
      <dl class="facts">
        <Fact name="taken">{clock(wallMs(command.takenNs))}</Fact>
        <Fact name="answer">{`${command.responseBytes} bytes`}</Fact>
        <Fact name="interrupt">
          {command.isInterrupted ? "yes" : "no: none was asked for, or an earlier one serves"}
        </Fact>
        {fences.length > 0 && <Fact name="fences made">{fences.join(", ")}</Fact>}
        {waitsFor > 0 && <Fact name="waited for fence">{waitsFor}</Fact>}
      </dl>
    </Section>
  );
}

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
