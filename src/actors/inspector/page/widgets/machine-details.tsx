// Beside a machine's diagram: the chosen state or way in numbers, and what was refused, with the command that earned it.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { CommandRecord, ContextRecord, TransitionRecord } from "../../feed.ts";
import { orNull, pastCommands } from "../command-history.ts";
import type { Tally } from "../machines/counts.ts";
import type { Graph, GraphState } from "../machines/graph.ts";
import { wallMs } from "../store.ts";
import { clock, count } from "../words.ts";
import { CommandDetails } from "./command-details.tsx";
import { ContextList } from "./context-list.tsx";

interface MachineDetailsProps {
  graph: Graph;
  tally: Tally;
  population: ReadonlyMap<string, number>;
  state: string;
  edge: string;
  refusals: readonly TransitionRecord[];
  contexts: readonly ContextRecord[];
}

export function MachineDetails(props: MachineDetailsProps) {
  const { graph, tally, population, state, edge, refusals, contexts } = props;
  const command = useSignal<CommandRecord | null>(null);
  const lost = useSignal("");
  useEffect(() => {
    command.value = null;
    lost.value = "";
  }, [graph, state, edge]);
  const show = async (id: string): Promise<void> => {
    const [found] = (await orNull(pastCommands(`id:${id}`, 1))) ?? [];
    command.value = found ?? null;
    lost.value = found === undefined ? `${id} is no longer remembered` : "";
  };
  if (command.value !== null) {
    return <CommandDetails command={command.value} close={() => (command.value = null)} />;
  }
  const own = graph.states.find(({ name }) => name === state);
  return (
    <aside class="side" aria-label="What happened">
      <header>
        <h2>{edge !== "" ? edge.replace(" ", " → ") : (own?.name ?? graph.name)}</h2>
        {own !== undefined && <span class="dim">{`${count(population.get(state) ?? 0)} now`}</span>}
      </header>
      {own === undefined && edge === "" && <Description text={graph.description} />}
      {edge !== "" ? <EdgeFacts tally={tally} edge={edge} graph={graph} /> : null}
      {own !== undefined && edge === "" && <StateFacts state={own} tally={tally} />}
      {graph.name === "context" && edge === "" && (
        <ContextList contexts={contexts.filter((one) => state === "" || one.state === state)} />
      )}
      <Refused
        all={[...tally.refused].flatMap(([from, some]) =>
          state === "" || from === state ? some.map((one) => ({ from, ...one })) : [],
        )}
        graph={graph}
      />
      {lost.value !== "" && <p class="warn">{lost.value}</p>}
      <Refusals all={refusals} show={(id) => void show(id)} />
    </aside>
  );
}

/** The last refusals, each with the command that earned it. */
const Refusals = ({ all, show }: { all: readonly TransitionRecord[]; show(command: string): void }) => (
  <>
    {all.length > 0 && <h2>The last ones</h2>}
    <ul class="picks">
      {all.map(({ ns, command: id, event, to, id: entity }, index) => (
        <li key={`${ns} ${index}`}>
          <button
            type="button"
            class="plain"
            disabled={id === ""}
            title={`${event} of ${entity}: ${to}, ${id}`}
            onClick={() => show(id)}
          >
            <span class="mono dim">{clock(wallMs(ns)).slice(0, 12)}</span>
            <span class="what">
              <span class="bad">{event}</span> <span class="dim">{`${entity} · ${to}`}</span>
            </span>
          </button>
        </li>
      ))}
    </ul>
  </>
);

/** What stands between backticks is a name. */
const Description = ({ text }: { text: string }) => (
  <p class="dim">
    {text.split("`").map((part, index) => (index % 2 === 0 ? part : <code key={index}>{part}</code>))}
  </p>
);

function EdgeFacts({ tally, edge, graph }: { tally: Tally; edge: string; graph: Graph }) {
  const gone = tally.edges.get(edge)?.events;
  const events =
    [...graph.edges, ...graph.exits].find(({ from, to }) => `${from} ${to}` === edge)?.events ?? [];
  return (
    <Counts title="Led this way" all={events.map((event) => ({ event, count: gone?.get(event) ?? 0 }))} />
  );
}

function StateFacts({ state, tally }: { state: GraphState; tally: Tally }) {
  const leading = [...tally.edges].filter(([key]) => key.startsWith(`${state.name} `));
  const left = leading.flatMap(([key, { events }]) =>
    [...events].map(([event, times]) => ({ event: `${event} → ${key.split(" ")[1]}`, count: times })),
  );
  const stayed = tally.stayed.get(state.name) ?? [];
  const stays = state.stays.map((event) => ({
    event,
    count: stayed.find((one) => one.event === event)?.count ?? 0,
  }));
  return (
    <>
      <Counts title="Left it" all={left} />
      <Counts title="Taken without a change" all={stays} />
    </>
  );
}

const Counts = ({ title, all }: { title: string; all: readonly { event: string; count: number }[] }) =>
  all.length === 0 ? null : (
    <section>
      <h2>{title}</h2>
      <Rows>
        {all.map(({ event, count: times }) => (
          <tr key={event} class={times === 0 ? "dim" : ""}>
            <td class="mono">{event}</td>
            <td>{count(times)}</td>
          </tr>
        ))}
      </Rows>
    </section>
  );

interface RefusedProps {
  all: readonly { from: string; event: string; count: number }[];
  graph: Graph;
}

function Refused({ all, graph }: RefusedProps) {
  const codeOf = (from: string, event: string): string =>
    graph.states.find(({ name }) => name === from)?.refuses.find((one) => one.event === event)?.code ?? "";
  return (
    <section>
      <h2>Refused</h2>
      {all.length === 0 ? (
        <p class="dim">Nothing was.</p>
      ) : (
        <Rows>
          {all
            .toSorted((a, b) => b.count - a.count)
            .map(({ from, event, count: times }) => (
              <tr key={`${from} ${event}`}>
                <td>
                  <span class="mono bad">{event}</span> <span class="dim">{`in ${from}`}</span>
                  <br />
                  <span class="mono dim">{codeOf(from, event)}</span>
                </td>
                <td>{count(times)}</td>
              </tr>
            ))}
        </Rows>
      )}
    </section>
  );
}

const Rows = ({ children }: { children: ComponentChildren }) => (
  <table class="counts">
    <tbody>{children}</tbody>
  </table>
);
