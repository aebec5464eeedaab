// A lifecycle as a graph: states, what moves between them, what only stays, what is refused; drawn from the machine itself.

import type { AnyStateMachine, AnyStateNode } from "xstate";
import { compileAll, machines } from "../../../machines/index.ts";
import { entries, leaves, withDescendants } from "../../../machines/nodes.ts";
import { type CompiledMachine, isRefused, refusalCodes } from "../../../machines/table.ts";

export interface Graph {
  name: string;
  description: string;
  states: GraphState[];
  edges: GraphEdge[];
  /** Ways that most states have to the same one, such as back to where all began: an arrow each would hide the others. */
  exits: GraphEdge[];
}

export interface GraphState {
  name: string;
  isInitial: boolean;
  isFinal: boolean;
  /** Events that it takes without a change. */
  stays: string[];
  /** Events that it refuses, with their codes. */
  refuses: { event: string; code: string }[];
}

/** All events that lead from one state to another. */
export interface GraphEdge {
  from: string;
  to: string;
  events: string[];
}

let all: Graph[] | null = null;

/** Of every machine that there is. */
export function graphs(): readonly Graph[] {
  if (all !== null) return all;
  const tables: Readonly<Partial<Record<string, CompiledMachine>>> = compileAll();
  return (all = Object.values(machines).map((machine: AnyStateMachine) => {
    const table = tables[machine.id];
    return table === undefined ? graphOfTree(machine) : graphOfTable(table, machine.root.description ?? "");
  }));
}

/** Of a machine that the workers run by its table. */
function graphOfTable(table: CompiledMachine, description: string): Graph {
  const { states, events, next } = table;
  const edges = new Map<string, GraphEdge>();
  const all = states.map((name, row): GraphState => {
    const state: GraphState = {
      name,
      isInitial: row === table.initial,
      isFinal: false,
      stays: [],
      refuses: [],
    };
    for (const [column, event] of events.entries()) {
      const to = next[row * events.length + column]!;
      if (isRefused(to)) state.refuses.push({ event, code: refusalCodes[to & 0x7f] ?? "" });
      else if (to === row) state.stays.push(event);
      else join(edges, name, states[to]!, event);
    }
    return state;
  });
  for (const state of all) state.isFinal = ![...edges.values()].some(({ from }) => from === state.name);
  return { name: table.name, description, states: all, ...apart([...edges.values()]) };
}

/** Of a machine that asks more than its state, which therefore has no table. */
function graphOfTree({ root }: AnyStateMachine): Graph {
  const edges = new Map<string, GraphEdge>();
  for (const node of withDescendants(root)) {
    for (const { event, to } of moves(node)) {
      const from = leaves(node).filter((leaf) => !to.includes(leaf) && leaf.type !== "final");
      for (const leaf of from) for (const one of to) join(edges, nameOf(leaf), nameOf(one), event);
    }
  }
  const first = entries(root);
  const states = leaves(root).map((leaf) => ({
    ...{ name: nameOf(leaf), isInitial: first.includes(leaf), isFinal: leaf.type === "final", refuses: [] },
    stays: [...leaf.transitions]
      .filter(([, ways]) => !ways.some(({ target }) => target))
      .map(([event]) => event),
  }));
  return { name: root.key, description: root.description ?? "", states, ...apart([...edges.values()]) };
}

/** From so many states on. */
const exitsMin = 4;

function apart(all: readonly GraphEdge[]): Pick<Graph, "edges" | "exits"> {
  const alike = Map.groupBy(all, ({ to, events }) => `${to} ${events.join()}`);
  const isExit = ({ to, events }: GraphEdge): boolean =>
    alike.get(`${to} ${events.join()}`)!.length >= exitsMin;
  return { edges: all.filter((edge) => !isExit(edge)), exits: all.filter(isExit) };
}

function moves(node: AnyStateNode): { event: string; to: AnyStateNode[] }[] {
  return [...node.transitions.values(), node.always ?? []]
    .flat()
    .filter(({ target }) => target)
    .map(({ eventType, target = [] }) => ({ event: eventType || "at once", to: target.flatMap(entries) }));
}

const nameOf = (node: AnyStateNode): string => node.path.join(".");

function join(edges: Map<string, GraphEdge>, from: string, to: string, event: string): void {
  const key = `${from} ${to}`;
  const edge = edges.get(key);
  if (edge === undefined) edges.set(key, { from, to, events: [event] });
  else if (!edge.events.includes(event)) edge.events.push(event);
}
