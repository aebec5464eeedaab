// The order in which a front-end may set up, start and stop a ring.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { vringMachine } from "../../../src/actors/machines/vring.ts";
import { after } from "./walk.ts";

const vring = compile(vringMachine);

const qemu = ["SET_NUM", "SET_BASE", "SET_ADDR", "SET_KICK", "SET_CALL", "ENABLE"] as const;
const crosvm = ["SET_NUM", "SET_ADDR", "SET_BASE", "SET_CALL", "SET_KICK", "ENABLE"] as const;

test("vring_starts_in_the_order_of_qemu", () => {
  expect(after(vring, "SET_CALL", "SET_ERR", ...qemu)).toBe("started+enabled");
});

test("vring_starts_in_the_order_of_crosvm", () => {
  expect(after(vring, ...crosvm)).toBe("started+enabled");
});

test("vring_enabled_before_it_starts_is_served_at_once", () => {
  expect(after(vring, "ENABLE", "SET_ADDR", "SET_NUM", "SET_KICK")).toBe("started+enabled");
});

test("vring_started_but_not_enabled_is_not_served", () => {
  expect(after(vring, "SET_NUM", "SET_ADDR", "SET_KICK")).toBe("started+disabled");
});

test("vring_kick_without_addr_returns_protocol", () => {
  expect(after(vring, "SET_NUM", "SET_KICK")).toBe("SET_KICK: PROTOCOL");
});

test("vring_kick_without_num_returns_protocol", () => {
  expect(after(vring, "SET_ADDR", "SET_KICK")).toBe("SET_KICK: PROTOCOL");
});

test("vring_num_or_base_while_running_returns_protocol", () => {
  expect(after(vring, ...qemu, "SET_NUM")).toBe("SET_NUM: PROTOCOL");
  expect(after(vring, ...qemu, "SET_BASE")).toBe("SET_BASE: PROTOCOL");
});

test("vring_running_takes_addr_for_dirty_logging_and_new_fds", () => {
  expect(after(vring, ...qemu, "SET_ADDR", "SET_CALL", "SET_ERR", "SET_KICK")).toBe("started+enabled");
});

test("vring_get_base_drains_before_it_stops", () => {
  expect(after(vring, ...qemu, "DISABLE", "GET_BASE")).toBe("draining+disabled");
  expect(after(vring, ...qemu, "DISABLE", "GET_BASE", "DRAINED")).toBe("configured+disabled");
});

test("vring_draining_takes_no_set_up_and_returns_protocol", () => {
  for (const event of ["SET_NUM", "SET_ADDR", "SET_BASE", "SET_KICK", "GET_BASE"] as const) {
    expect(after(vring, ...qemu, "GET_BASE", event)).toBe(`${event}: PROTOCOL`);
  }
});

test("vring_that_never_started_answers_its_base", () => {
  expect(after(vring, "GET_BASE")).toBe("empty+disabled");
});

test("vring_starts_again_after_a_stop", () => {
  expect(after(vring, ...qemu, "GET_BASE", "DRAINED", ...qemu)).toBe("started+enabled");
});

test("vring_broken_by_the_guest_stops_and_starts_again", () => {
  expect(after(vring, ...qemu, "FAULT")).toBe("broken+enabled");
  expect(after(vring, ...qemu, "FAULT", "GET_BASE", "DRAINED", ...qemu)).toBe("started+enabled");
});

test("vring_reset_forgets_everything_at_once", () => {
  expect(after(vring, ...qemu, "RESET")).toBe("empty+disabled");
  expect(after(vring, ...qemu, "GET_BASE", "RESET", "SET_KICK")).toBe("SET_KICK: PROTOCOL");
});
