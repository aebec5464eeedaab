// The machines' diagrams: a graph from the machine itself, the counts on it, and where all of it is drawn.

import { expect, test } from "bun:test";
import { type MachineCounts, tallyOf } from "../../../../src/actors/inspector/page/machines/counts.ts";
import {
  drawingFor,
  drawingOf,
  labelOf,
} from "../../../../src/actors/inspector/page/machines/diagram-layout.ts";
import { graphs } from "../../../../src/actors/inspector/page/machines/graph.ts";
import { machines } from "../../../../src/actors/machines/index.ts";

const graph = (name: string) => graphs().find((one) => one.name === name)!;

const counts = (machine: string, own: MachineCounts["counts"]): MachineCounts => ({
  ...{ actor: "ctrl-queue", machine, counts: own },
});

test("every machine that there is has a graph, with one state in which it begins", () => {
  expect(graphs().map(({ name }) => name)).toEqual(Object.values(machines).map(({ id }) => id));
  for (const { states, edges, name } of graphs()) {
    expect([name, states.filter(({ isInitial }) => isInitial).length]).toEqual([name, 1]);
    const names = states.map((state) => state.name);
    for (const { from, to } of edges) expect(names).toContainValues([from, to]);
  }
});

test("the graph of fences has each way, what only stays, and what is refused with its code", () => {
  const { states, edges } = graph("fence");
  expect(states.map(({ name }) => name).toSorted()).toEqual([
    ...["created", "failed", "pending", "retired", "signalled", "stuck"],
  ]);
  expect(edges).toContainEqual({ from: "pending", to: "stuck", events: ["ALARM"] });
  expect(edges).toHaveLength(10);
  expect(states.find(({ name }) => name === "retired")).toMatchObject({ isFinal: true });
  expect(states.find(({ name }) => name === "created")!.refuses).toContainEqual({
    ...{ event: "RETIRE", code: "ERR_UNSPEC" },
  });
  const created = graph("context").states.find(({ name }) => name === "created")!;
  expect(created.stays).toContain("SUBMIT_3D");
});

test("a machine with guards is drawn too, though it has no table", () => {
  const { edges } = graph("actor");
  expect(edges.some(({ events }) => events.includes("CRASH"))).toBe(true);
});

test("counts of all actors are summed on edges and states, refusals apart", () => {
  const tally = tallyOf(graph("context"), [
    counts("context", [
      { state: "absent", event: "CTX_CREATE", to: "created", count: 5 },
      { state: "created", event: "CTX_DESTROY", to: "absent", count: 2 },
      { state: "created", event: "SUBMIT_3D", to: "created", count: 1000 },
      { state: "absent", event: "SUBMIT_3D", to: null, count: 3 },
    ]),
    counts("context", [{ state: "absent", event: "CTX_CREATE", to: "created", count: 1 }]),
    counts("fence", [{ state: "created", event: "SUBMIT", to: "pending", count: 77 }]),
  ]);
  expect(tally.edges.get("absent created")).toEqual({ count: 6, events: new Map([["CTX_CREATE", 6]]) });
  expect(tally.inside).toEqual(new Map([["created", 4]]));
  expect(tally.stayed.get("created")).toEqual([{ event: "SUBMIT_3D", count: 1000 }]);
  expect(tally.refused.get("absent")).toEqual([{ event: "SUBMIT_3D", count: 3 }]);
});

test("no two states of any machine are drawn over one another, and each way leads through its label", () => {
  for (const [one, direction] of graphs().flatMap(
    (graph) =>
      [
        [graph, "LR"],
        [graph, "TB"],
      ] as const,
  )) {
    const { boxes, ways, width, height } = drawingOf(one, direction);
    expect(ways).toHaveLength(one.edges.length);
    for (const { path, label } of ways) {
      expect(path).toMatch(/^M-?\d+,-?\d+(?:[QL][-\d, ]+)+$/);
      // Each label stands on its way: in the middle of one of its parts.
      const numbers = path.match(/-?\d+/g)!.map(Number);
      const isOn = numbers.some((_, at) => {
        const [x0, y0, x1, y1, x2, y2] = numbers.slice(at) as [
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        return Math.hypot((x0 + 2 * x1 + x2) / 4 - label.x, (y0 + 2 * y1 + y2) / 4 - label.y) < 2;
      });
      expect(isOn).toBe(true);
    }
    for (const [index, a] of boxes.entries()) {
      expect(a.x + a.width / 2).toBeLessThanOrEqual(width);
      expect(a.y + a.height / 2).toBeLessThanOrEqual(height);
      for (const b of boxes.slice(index + 1)) {
        const isApart =
          Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
        expect([one.name, a.state.name, b.state.name, isApart]).toEqual([
          ...[one.name, a.state.name, b.state.name, true],
        ]);
      }
    }
  }
});

test("a diagram lies or stands as more of it fits", () => {
  const [lying, standing] = [drawingFor(graph("device"), 2000, 400), drawingFor(graph("device"), 500, 900)];
  expect(lying.width).toBeGreaterThan(lying.height);
  expect(standing.height).toBeGreaterThan(standing.width * 0.8);
});

test("what leads from nearly everywhere to one state is no arrow, but said in each state", () => {
  const { edges, exits } = graph("resource");
  expect(exits.find(({ from }) => from === "gpu3d.backed")).toEqual({
    ...{ from: "gpu3d.backed", to: "absent", events: ["UNREF"] },
  });
  expect(edges.some(({ events }) => events.includes("UNREF"))).toBe(false);
});

test("an edge of many events names the first ones, and says how many there are", () => {
  expect(labelOf(["A", "B", "C"])).toEqual(["A", "B", "C"]);
  expect(labelOf(["A", "B", "C", "D", "E"])).toEqual(["A", "B", "and 3 more"]);
});
