// Tables and interpreter agree on any sequence of events; the rare machines survive any, and can always be ended.
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  getInitialSnapshot,
  getNextSnapshot,
  type InputFrom,
} from "xstate";
import { getAdjacencyMap } from "xstate/graph";
import { eventsOf, stateName } from "../../src/actors/machines/compile.ts";
import { compileAll, machines } from "../../src/actors/machines/index.ts";
import { leaves } from "../../src/actors/machines/nodes.ts";
import { isAccepted, refusalOf } from "../../src/actors/machines/refusal.ts";
import { type CompiledMachine, isRefused, refusalCodes, step } from "../../src/actors/machines/table.ts";

const tables = compileAll();
const names = Object.keys(tables) as (keyof typeof tables)[];

for (const name of names) {
  const machine: AnyStateMachine = machines[name];
  const table: CompiledMachine = tables[name];

  test(`${name} table and interpreter agree on random events`, () => {
    const walk = fc.array(fc.constantFrom(...table.events), { maxLength: 60 });
    fc.assert(
      fc.property(walk, (events) => agree(machine, table, events)),
      { numRuns: 200 },
    );
  });

  test(`${name} every state is reachable`, () => {
    const map = getAdjacencyMap(machine, { events: table.events.map((type) => ({ type })) });
    const reached = new Set(Object.values(map).flatMap(({ state }) => state._nodes));

    const missing = leaves(machine.root).filter((leaf) => !reached.has(leaf));
    expect(missing.map((leaf) => leaf.path.join("."))).toEqual([]);
    expect(Object.keys(map)).toHaveLength(table.states.length);
  });

  test(`${name} every state answers every event`, () => {
    expect(table.next).toHaveLength(table.states.length * table.events.length);
    for (const answer of table.next) {
      expect(isRefused(answer) ? refusalCodes[answer & 0x7f] : table.states[answer]).toBeDefined();
    }
  });

  test(`${name} every event is taken somewhere`, () => {
    const taken = table.events.filter((_, event) =>
      table.states.some((_, state) => !isRefused(step(table, state, event))),
    );

    expect(taken).toEqual([...table.events]);
  });
}

test("only vrings and sessions are refused as a protocol error", () => {
  const protocol = names.filter((name) =>
    tables[name].next.includes(0x80 | refusalCodes.indexOf("PROTOCOL")),
  );

  expect(protocol).toEqual(["vring", "session"]);
});

const reason = "test";
survives("device", machines.device, undefined, [{ type: "SHUTDOWN", reason }, { type: "STOPPED" }]);
survives("actor that may be restarted", machines.actor, { restartable: true }, [
  { type: "STOP" },
  { type: "EXITED" },
]);
survives("actor that may not", machines.actor, { restartable: false }, [
  { type: "STOP" },
  { type: "EXITED" },
]);
survives("session", machines.session, undefined, [{ type: "STOP" }, { type: "ENDED" }]);

/** Any events, then the given ones: no exception, no negative count, and the machine has ended. */
function survives<Machine extends AnyStateMachine>(
  name: string,
  machine: Machine,
  input: InputFrom<Machine>,
  ending: { type: string; reason?: string }[],
): void {
  test(`${name} ends when told to after random events`, () => {
    const events = eventsOf(machine).map((type) => ({ type, actor: "display", reason }));
    const walk = fc.array(fc.constantFrom(...events), { maxLength: 80 });
    fc.assert(
      fc.property(walk, (before) => {
        let snapshot: AnyMachineSnapshot = getInitialSnapshot(machine as AnyStateMachine, input);
        for (const event of [...before, ...ending]) {
          if (snapshot.status !== "active") break;
          snapshot = getNextSnapshot(machine as AnyStateMachine, snapshot, event);
          const counts = Object.values(snapshot.context ?? {}).filter((value) => typeof value === "number");
          expect(Math.min(0, ...counts)).toBe(0);
        }
        expect(snapshot.status).toBe("done");
      }),
    );
  });
}

function agree(machine: AnyStateMachine, table: CompiledMachine, events: string[]): void {
  let snapshot: AnyMachineSnapshot = getInitialSnapshot(machine);
  let state = table.initial;
  for (const type of events) {
    const answer = step(table, state, table.events.indexOf(type));
    const code = isAccepted(snapshot, { type }) ? undefined : refusalOf(snapshot, type);
    expect(isRefused(answer) ? refusalCodes[answer & 0x7f] : undefined).toBe(code);

    snapshot = getNextSnapshot(machine, snapshot, { type });
    if (!isRefused(answer)) state = answer;
    expect(table.states[state]).toBe(stateName(snapshot));
  }
}
