// The order in which a front-end may set up, start and stop a ring.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { vringMachine } from "../../../src/actors/machines/vring.ts";
import { after } from "./walk.ts";

const vring = compile(vringMachine);

const qemu = ["SET_NUM", "SET_BASE", "SET_ADDR", "SET_KICK", "SET_CALL", "ENABLE"] as const;
const crosvm = ["SET_NUM", "SET_ADDR", "SET_BASE", "SET_CALL", "SET_KICK", "ENABLE"] as const;

test("vring starts in the order of qemu", () => {
  expect(after(vring, "SET_CALL", "SET_ERR", ...qemu)).toBe("started+enabled");
});

test("vring starts in the order of crosvm", () => {
  expect(after(vring, ...crosvm)).toBe("started+enabled");
});

test("vring enabled before it starts is served at once", () => {
  expect(after(vring, "ENABLE", "SET_ADDR", "SET_NUM", "SET_KICK")).toBe("started+enabled");
});

test("vring started but not enabled is not served", () => {
  expect(after(vring, "SET_NUM", "SET_ADDR", "SET_KICK")).toBe("started+disabled");
});

test("vring kick without an address returns protocol", () => {
  expect(after(vring, "SET_NUM", "SET_KICK")).toBe("SET_KICK: PROTOCOL");
});

test("vring kick without num returns protocol", () => {
  expect(after(vring, "SET_ADDR", "SET_KICK")).toBe("SET_KICK: PROTOCOL");
});

test("vring base while running returns protocol", () => {
  expect(after(vring, ...qemu, "SET_BASE")).toBe("SET_BASE: PROTOCOL");
});

test("vring discarded while disabled is set up anew", () => {
  const reset = ["DISABLE", "SET_NUM", "DISCARD", "SET_BASE", "SET_ADDR"] as const;
  expect(after(vring, ...qemu, ...reset)).toBe("configured+disabled");
  expect(after(vring, ...qemu, ...reset, "SET_KICK", "SET_CALL", "ENABLE")).toBe("started+enabled");
  expect(after(vring, ...qemu, "FAULT", ...reset)).toBe("configured+disabled");
});

test("vring that does not run has nothing to discard and returns protocol", () => {
  expect(after(vring, "DISCARD")).toBe("DISCARD: PROTOCOL");
  expect(after(vring, ...qemu, "GET_BASE", "DISCARD")).toBe("DISCARD: PROTOCOL");
});

test("vring running takes addr for dirty logging and new fds", () => {
  expect(after(vring, ...qemu, "SET_ADDR", "SET_CALL", "SET_ERR", "SET_KICK")).toBe("started+enabled");
});

test("vring get base drains before it stops", () => {
  expect(after(vring, ...qemu, "DISABLE", "GET_BASE")).toBe("draining+disabled");
  expect(after(vring, ...qemu, "DISABLE", "GET_BASE", "DRAINED")).toBe("configured+disabled");
});

test("vring draining takes no set-up and returns protocol", () => {
  for (const event of ["SET_NUM", "SET_ADDR", "SET_BASE", "SET_KICK", "GET_BASE"] as const) {
    expect(after(vring, ...qemu, "GET_BASE", event)).toBe(`${event}: PROTOCOL`);
  }
});

test("vring that never started answers its base", () => {
  expect(after(vring, "GET_BASE")).toBe("empty+disabled");
});

test("vring starts again after a stop", () => {
  expect(after(vring, ...qemu, "GET_BASE", "DRAINED", ...qemu)).toBe("started+enabled");
});

test("vring broken by the guest stops and starts again", () => {
  expect(after(vring, ...qemu, "FAULT")).toBe("broken+enabled");
  expect(after(vring, ...qemu, "FAULT", "GET_BASE", "DRAINED", ...qemu)).toBe("started+enabled");
  expect(after(vring, ...qemu, "FAULT", "SET_KICK")).toBe("started+enabled");
});

test("vring reset forgets everything at once", () => {
  expect(after(vring, ...qemu, "RESET")).toBe("empty+disabled");
  expect(after(vring, ...qemu, "GET_BASE", "RESET", "SET_KICK")).toBe("SET_KICK: PROTOCOL");
});
