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

test("table refusals carry the virtio codes in order", () => {
  const codes = refusalCodes
    .filter((code) => code !== "PROTOCOL")
    .map((code) => errorCodeOf(refusalValue(code)));

  expect(codes).toEqual([0x1200, 0x1201, 0x1202, 0x1203, 0x1204, 0x1205]);
});

test("table step answers a state or a refusal", () => {
  const { resource } = tables;
  const create = step(resource, resource.initial, eventIndex(resource, "CREATE_2D"));
  const unref = step(resource, resource.initial, eventIndex(resource, "UNREF"));

  expect(isRefused(create)).toBe(false);
  expect(create).toBe(stateIndex(resource, "cpu2d.bare"));
  expect(isRefused(unref)).toBe(true);
  expect(errorCodeOf(unref)).toBe(0x1203);
});

test("table protocol refusal is no virtio code", () => {
  const { vring } = tables;

  expect(step(vring, vring.initial, eventIndex(vring, "SET_KICK"))).toBe(PROTOCOL_REFUSAL);
});

test("table survives a structured clone", () => {
  expect(structuredClone(tables)).toEqual(tables);
});

test("table unknown name throws and lists those there are", () => {
  expect(() => stateIndex(tables.fence, "lost")).toThrow('fence machine has no "lost", only created');
  expect(() => eventIndex(tables.fence, "LOSE" as "FAIL")).toThrow('fence machine has no "LOSE"');
});

test("table states with marks the states that have all parts", () => {
  const { vring } = tables;

  const served = statesWith(vring, "started", "enabled");

  expect(vring.states.filter((_, index) => served[index])).toEqual(["started+enabled"]);
  expect(() => statesWith(vring, "stared")).toThrow("vring machine has no state with stared");
});

test("table events are sorted so that indexes are stable", () => {
  for (const { events } of Object.values(tables)) expect(events).toEqual(events.toSorted());
});

test("table module imports nothing", async () => {
  const source = await Bun.file(new URL("../../../src/actors/machines/table.ts", import.meta.url)).text();

  expect(new Bun.Transpiler({ loader: "ts" }).scanImports(source)).toEqual([]);
});
