// Walking a machine's tree of states.
import type { AnyStateNode } from "xstate";

function children(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states);
}

export function withDescendants(node: AnyStateNode): AnyStateNode[] {
  return [node, ...children(node).flatMap(withDescendants)];
}

export function leaves(node: AnyStateNode): AnyStateNode[] {
  return withDescendants(node).filter((one) => children(one).length === 0);
}

/** The leaves that are active just after the node is entered. */
export function entries(node: AnyStateNode): AnyStateNode[] {
  if (node.type === "parallel") return children(node).flatMap(entries);
  return node.type === "compound" ? node.initial.target!.flatMap(entries) : [node];
}
