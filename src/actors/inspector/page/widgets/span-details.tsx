// What is known of a span that is no single command: several in one bar, what the display was told, a frame.

import type { ComponentChildren } from "preact";
import type { Span } from "../timeline/spans.ts";
import { count, duration } from "../words.ts";

interface FoldDetailsProps {
  lane: string;
  spans: readonly Span[];
  choose(span: Span): void;
  close(): void;
}

/** Several spans that are one bar. */
export function FoldDetails({ lane, spans, choose, close }: FoldDetailsProps) {
  const all = [...Map.groupBy(spans, ({ name }) => name)].toSorted((a, b) => b[1].length - a[1].length);
  return (
    <Panel title={`${count(spans.length)} in one bar`} close={close}>
      <dl class="facts">
        <Fact name="lane" value={lane} />
        <Fact name="from first to last" value={duration(spans.at(-1)!.endNs - spans[0]!.startNs)} />
        {all.map(([name, some]) => (
          <Fact key={name} name={name} value={`${count(some.length)} ×, ${duration(meanOf(some))} each`} />
        ))}
      </dl>
      <h2>The first of them</h2>
      <ul class="picks">
        {spans.slice(0, 200).map((span, index) => (
          <li key={index}>
            <button type="button" class={span.isError ? "plain bad" : "plain"} onClick={() => choose(span)}>
              <span class="mono">{span.command.split(":")[1] ?? ""}</span>
              {span.name}
              <span class="dim">{duration(span.endNs - span.startNs)}</span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const meanOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, { startNs, endNs }) => sum + endNs - startNs, 0) / spans.length;

/** What the display was told, or a frame, whose command is no longer known. */
export function SpanDetails({ span, lane, close }: { span: Span; lane: string; close(): void }) {
  const { picture } = span;
  return (
    <Panel title={span.name} close={close}>
      <dl class="facts">
        <Fact name="lane" value={lane} />
        <Fact name="took" value={duration(span.endNs - span.startNs)} />
        {picture !== null && (
          <>
            <Fact
              name="rectangle"
              value={`${picture.width}×${picture.height} at ${picture.x},${picture.y}`}
            />
            <Fact name="surface" value={String(picture.surface)} />
            <Fact name="message" value={String(picture.message)} />
          </>
        )}
        {span.command !== "" && <Fact name="last command in it" value={span.command} />}
      </dl>
    </Panel>
  );
}

function Panel(props: { title: string; close(): void; children: ComponentChildren }) {
  return (
    <aside class="side" aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={props.close}>
          ✕
        </button>
      </header>
      {props.children}
    </aside>
  );
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </>
);
