// What the compiler takes, what it refuses, and how it names states and picks codes.
import { expect, test } from "bun:test";
import { type AnyStateMachine, createMachine } from "xstate";
import { compile } from "../../../src/actors/machines/compile.ts";
import { machines } from "../../../src/actors/machines/index.ts";
import { after } from "./walk.ts";

const refuse = { default: "ERR_UNSPEC" };

function rejects(machine: AnyStateMachine, why: string): void {
  expect(() => compile(machine)).toThrow(why);
}

test("compile refused event without a code throws", () => {
  rejects(
    createMachine({ id: "door", initial: "shut", states: { shut: { on: { OPEN: "open" } }, open: {} } }),
    'door machine can\'t be compiled: it refuses OPEN in "open" without a code',
  );
});

test("compile machine with context throws", () => {
  rejects(createMachine({ context: { count: 0 }, meta: { refuse }, on: { ADD: {} } }), "has context");
});

test("compile machine with a guard throws", () => {
  rejects(createMachine({ meta: { refuse }, on: { ADD: { guard: () => true } } }), "has a guard");
});

test("compile machine with an action throws", () => {
  rejects(createMachine({ meta: { refuse }, on: { ADD: { actions: () => {} } } }), "has an action");
  rejects(createMachine({ meta: { refuse }, entry: () => {} }), "has an action");
});

test("compile machine that moves by itself throws", () => {
  const states = { b: {} };
  rejects(
    createMachine({ initial: "a", states: { a: { always: "b" }, ...states } }),
    'moves without an event in "a"',
  );
  rejects(
    createMachine({ initial: "a", states: { a: { after: { 5: "b" } }, ...states } }),
    "moves without an event",
  );
});

test("compile machine with a wildcard throws", () => {
  rejects(createMachine({ on: { "*": {} } }), "has a wildcard event");
});

test("compile machine with too many states throws", () => {
  const chain = (length: number) =>
    createMachine({
      initial: "s0",
      meta: { refuse },
      states: Object.fromEntries(
        Array.from({ length }, (_, n) => [`s${n}`, n + 1 < length ? { on: { GO: `s${n + 1}` } } : {}]),
      ),
    });

  rejects(chain(128), "has 128 states");
  expect(compile(chain(127)).states).toHaveLength(127);
});

test("compile names parallel states in the order of definition", () => {
  const machine = createMachine({
    type: "parallel",
    meta: { refuse },
    states: {
      z: { initial: "off", states: { off: { on: { A: "on" } }, on: {} } },
      a: { initial: "low", states: { low: { on: { B: "high" } }, high: {} } },
    },
  });

  expect(compile(machine).states).toEqual(["off+low", "on+low", "off+high", "on+high"]);
});

test("compile prefers the code of an event and then the inner state", () => {
  const table = compile(
    createMachine({
      initial: "outer",
      meta: { refuse: { A: "ERR_OUT_OF_MEMORY", default: "ERR_UNSPEC" } },
      states: {
        outer: {
          initial: "inner",
          meta: { refuse: { B: "ERR_INVALID_SCANOUT_ID" } },
          states: { inner: { meta: { refuse: { default: "ERR_INVALID_PARAMETER" } }, on: { GO: "#end" } } },
        },
        end: { id: "end", on: { A: {}, B: {}, C: {} } },
      },
    }),
  );

  expect(after(table, "A")).toBe("A: ERR_OUT_OF_MEMORY");
  expect(after(table, "B")).toBe("B: ERR_INVALID_SCANOUT_ID");
  expect(after(table, "C")).toBe("C: ERR_INVALID_PARAMETER");
  expect(after(table, "GO", "GO")).toBe("GO: ERR_UNSPEC");
});

test("compile rare machine throws", () => {
  for (const machine of [machines.device, machines.actor]) {
    rejects(machine, "can't be compiled");
  }
});
