// The lifecycles: each machine's diagram with how often each way was gone, and what was refused, live.

import { computed, signal, useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { TransitionRecord } from "../../feed.ts";
import { orNull } from "../command-history.ts";
import { useKeys } from "../keys.ts";
import { type MachineCounts, tallyOf } from "../machines/counts.ts";
import { type Graph, graphs } from "../machines/graph.ts";
import { populationOf } from "../machines/population.ts";
import { actors, ask, connection, inventory, noteParameters, onBatch, viewParameters } from "../store.ts";
import { MachineDetails } from "../widgets/machine-details.tsx";
import { MachineDiagram } from "../widgets/machine-diagram.tsx";
import { count, short } from "../words.ts";

export const machinesKeys = [
  ["↑ ↓", "the machine before or after"],
  ["← →", "the state before or after"],
] as const;

const againMs = 500;
const refusalsMax = 100;

const counts = signal<readonly MachineCounts[]>([]);
/** The last ones first, of all machines. */
const refusals = signal<readonly TransitionRecord[]>([]);
const sums = computed(() => new Map(graphs().map((graph) => [graph.name, sumOf(graph)])));

export function Machines() {
  const graph = useComputed(() => {
    const name = viewParameters.value.get("machine") ?? "resource";
    return graphs().find((one) => one.name === name) ?? graphs()[0]!;
  }).value;
  const state = useComputed(() => viewParameters.value.get("state") ?? "").value;
  const edge = useSignal("");
  const tally = tallyOf(graph, counts.value);
  useFacts();
  const go = (machine: string, to = ""): void => {
    edge.value = "";
    noteParameters({ machine, ...(to === "" ? {} : { state: to }) });
  };
  useKeys((key) => {
    const isForward = key === "ArrowDown" || key === "ArrowRight";
    if (key === "ArrowUp" || key === "ArrowDown") go(beside(graphs(), graph.name, isForward));
    else if (key === "ArrowLeft" || key === "ArrowRight")
      go(graph.name, beside(graph.states, state, isForward));
    else if (key === "Escape" && (state !== "" || edge.peek() !== "")) go(graph.name);
    else return false;
    return true;
  });
  const population = populationOf(graph.name, tally, inventory.value, actors.value);
  return (
    <>
      <List chosen={graph.name} go={go} />
      <MachineDiagram
        graph={graph}
        tally={tally}
        population={population}
        state={state}
        edge={edge.value}
        chooseState={(name) => go(graph.name, name === state ? "" : name)}
        chooseEdge={(key) => (edge.value = key === edge.peek() ? "" : key)}
      />
      <MachineDetails
        graph={graph}
        tally={tally}
        population={population}
        state={state}
        edge={edge.value}
        contexts={inventory.value.contexts}
        refusals={refusals.value.filter(
          ({ machine, from }) => machine === graph.name && (state === "" || from === state),
        )}
      />
    </>
  );
}

const List = ({ chosen, go }: { chosen: string; go(machine: string): void }) => (
  <nav class="machine-list" aria-label="Machines">
    {graphs().map(({ name }) => (
      <button type="button" key={name} aria-pressed={name === chosen} onClick={() => go(name)}>
        <span>{name}</span>
        <Sum of={sums.value.get(name)!} />
      </button>
    ))}
  </nav>
);

/** Counts are asked for, since they are exact; refusals come with the feed, since they name the command. */
function useFacts(): void {
  useEffect(
    () =>
      onBatch(({ transitions }) => {
        const refused = transitions?.filter(({ isRefused }) => isRefused) ?? [];
        if (refused.length > 0)
          refusals.value = [...refused.toReversed(), ...refusals.peek()].slice(0, refusalsMax);
      }),
    [],
  );
  useEffect(() => {
    if (connection.value !== "open") return;
    let isAsking = false;
    const look = async (): Promise<void> => {
      if (isAsking || document.hidden) return;
      isAsking = true;
      counts.value = (await orNull(ask<MachineCounts[]>("/api/machines"))) ?? counts.peek();
      isAsking = false;
    };
    void look();
    const timer = setInterval(() => void look(), againMs);
    return () => clearInterval(timer);
  }, [connection.value]);
}

function sumOf({ name }: Graph): { all: number; refused: number } {
  const sum = { all: 0, refused: 0 };
  for (const { machine, counts: some } of counts.value) {
    if (machine !== name) continue;
    for (const { to, count: times } of some) {
      sum.all += times;
      if (to === null) sum.refused += times;
    }
  }
  return sum;
}

const Sum = ({ of: { all, refused } }: { of: { all: number; refused: number } }) => (
  <span class="dim">
    {refused > 0 && (
      <span class="tag bad" title={`${count(refused)} were refused`}>
        {short(refused)}
      </span>
    )}{" "}
    {all > 0 && short(all)}
  </span>
);

/** The next of some names, round about. */
function beside(all: readonly { name: string }[], from: string, isForward: boolean): string {
  const at = all.findIndex(({ name }) => name === from);
  if (at < 0) return (isForward ? all[0] : all.at(-1))!.name;
  return all[(at + (isForward ? 1 : all.length - 1)) % all.length]!.name;
}
