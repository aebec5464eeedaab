// Reading a compiled table: values, codes and the names that are resolved at start.
import { expect, test } from "bun:test";
import { compileAll } from "../../../src/actors/machines/index.ts";
import {
  errorCodeOf,
  eventIndex,
  isRefused,
  PROTOCOL_REFUSAL,
  refusalCodes,
  refusalValue,
  stateIndex,
  statesWith,
  step,
} from "../../../src/actors/machines/table.ts";

const tables = compileAll();

test("table_refusals_carry_the_virtio_codes_in_order", () => {
  const codes = refusalCodes
    .filter((code) => code !== "PROTOCOL")
    .map((code) => errorCodeOf(refusalValue(code)));

  expect(codes).toEqual([0x1200, 0x1201, 0x1202, 0x1203, 0x1204, 0x1205]);
});

test("table_step_answers_a_state_or_a_refusal", () => {
  const { resource } = tables;
  const create = step(resource, resource.initial, eventIndex(resource, "CREATE_2D"));
  const unref = step(resource, resource.initial, eventIndex(resource, "UNREF"));

  expect(isRefused(create)).toBe(false);
  expect(create).toBe(stateIndex(resource, "cpu2d.bare"));
  expect(isRefused(unref)).toBe(true);
  expect(errorCodeOf(unref)).toBe(0x1203);
});

test("table_protocol_refusal_is_no_virtio_code", () => {
  const { vring } = tables;

  expect(step(vring, vring.initial, eventIndex(vring, "SET_KICK"))).toBe(PROTOCOL_REFUSAL);
});

test("table_survives_a_structured_clone", () => {
  expect(structuredClone(tables)).toEqual(tables);
});

test("table_unknown_name_throws_and_lists_those_there_are", () => {
  expect(() => stateIndex(tables.fence, "lost")).toThrow('fence machine has no "lost", only created');
  expect(() => eventIndex(tables.fence, "LOSE" as "FAIL")).toThrow('fence machine has no "LOSE"');
});

test("table_states_with_marks_the_states_that_have_all_parts", () => {
  const { vring } = tables;

  const served = statesWith(vring, "started", "enabled");

  expect(vring.states.filter((_, index) => served[index])).toEqual(["started+enabled"]);
  expect(() => statesWith(vring, "stared")).toThrow("vring machine has no state with stared");
});

test("table_events_are_sorted_so_that_indexes_are_stable", () => {
  for (const { events } of Object.values(tables)) expect(events).toEqual(events.toSorted());
});

test("table_module_imports_nothing", async () => {
  const source = await Bun.file(new URL("../../../src/actors/machines/table.ts", import.meta.url)).text();

  expect(new Bun.Transpiler({ loader: "ts" }).scanImports(source)).toEqual([]);
});
