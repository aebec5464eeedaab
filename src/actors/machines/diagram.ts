// Draws the lifecycles for people: `bun src/actors/machines/diagram.ts > docs/lifecycles.md`.
import type { AnyStateMachine, AnyStateNode } from "xstate";
import { machines } from "./index.ts";
import { entries, leaves, withDescendants } from "./nodes.ts";
import type { RefusalMeta } from "./refusal.ts";

const introduction = `# Lifecycles

What may happen when, drawn from the machines in \`src/actors/machines\` by \`diagram.ts\` there; a test keeps this page
up to date. Round boxes are where a machine begins, double circles where it ends. Below each diagram: the events that
a state takes without moving, and the codes of those that it refuses; an inner state's word comes first.`;

export function lifecyclesPage(): string {
  return `${[introduction, ...Object.values(machines).map(section)].join("\n\n")}\n`;
}

function section({ root }: AnyStateMachine): string {
  const all = withDescendants(root);
  const lines = [...leaves(root).map((leaf) => box(leaf, entries(root))), ...all.flatMap(arrows)];
  const chart = `\`\`\`mermaid\nflowchart LR\n  ${lines.join("\n  ")}\n\`\`\``;
  const parts = [`## ${root.key}`, root.description, chart, all.flatMap(note).join("\n")];
  return parts.filter(Boolean).join("\n\n");
}

function box(leaf: AnyStateNode, first: AnyStateNode[]): string {
  if (leaf.type === "final") return `${id(leaf)}(((${name(leaf)})))`;
  return first.includes(leaf) ? `${id(leaf)}([${name(leaf)}])` : `${id(leaf)}[${name(leaf)}]`;
}

function arrows(node: AnyStateNode): string[] {
  const ways = [...node.transitions.values(), node.always ?? []].flat().filter((way) => way.target);
  const moves = ways.map(({ eventType, guard, target = [] }) => {
    const to = target.flatMap(entries);
    const from = leaves(node).filter((leaf) => !to.includes(leaf) && leaf.type !== "final");
    const ends = [from, to].map((end) => end.map(id).join(" & "));
    return { ends, label: guard ? `${eventType} [${String(guard)}]`.trim() : eventType };
  });
  return [...Map.groupBy(moves, ({ ends }) => ends.join()).values()].map((same) =>
    same[0]!.ends.join(` -- "${same.map(({ label }) => label).join(", ")}" --> `),
  );
}

function note(node: AnyStateNode): string[] {
  const events = [...node.transitions.keys()];
  const stays = events.filter((event) => !node.transitions.get(event)!.some((way) => way.target));
  const refuse = (node.meta as RefusalMeta | undefined)?.refuse ?? {};
  const codes = [...Map.groupBy(Object.keys(refuse), (event) => refuse[event])];
  const words = codes.map(
    ([code, those]) => `${code} for ${those.join(", ").replace("default", "the rest")}`,
  );
  if (stays.length > 0) words.unshift(`stays on ${stays.join(", ")}`);
  return words.length > 0 ? [`- \`${name(node)}\`: ${words.join("; ")}`] : [];
}

const name = (node: AnyStateNode): string => node.path.join(".") || "any";
const id = (node: AnyStateNode): string => node.path.join("_");

if (import.meta.main) process.stdout.write(lifecyclesPage());
