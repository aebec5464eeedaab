// A fence from its command to its response.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { fenceMachine } from "../../../src/actors/machines/fence.ts";
import { after } from "./walk.ts";

const fence = compile(fenceMachine);

test("fence_of_a_2d_command_signals_at_once", () => {
  expect(after(fence, "SIGNAL", "RETIRE")).toBe("retired");
});

test("fence_of_a_3d_command_waits_for_the_renderer", () => {
  expect(after(fence, "SUBMIT", "SIGNAL", "RETIRE")).toBe("retired");
  expect(after(fence, "SUBMIT", "RETIRE")).toBe("RETIRE: ERR_UNSPEC");
});

test("fence_that_can_not_be_created_fails_and_is_answered", () => {
  expect(after(fence, "FAIL")).toBe("failed");
  expect(after(fence, "FAIL", "RETIRE")).toBe("retired");
});

test("fence_alarm_is_raised_once_and_the_fence_may_still_signal", () => {
  expect(after(fence, "SUBMIT", "ALARM", "ALARM")).toBe("ALARM: ERR_UNSPEC");
  expect(after(fence, "SUBMIT", "ALARM", "SIGNAL", "RETIRE")).toBe("retired");
});

test("fence_signalled_twice_returns_err_unspec", () => {
  expect(after(fence, "SUBMIT", "SIGNAL", "SIGNAL")).toBe("SIGNAL: ERR_UNSPEC");
});

test("fence_is_dropped_by_a_reset_whatever_its_state", () => {
  const ways = [[], ["SUBMIT"], ["SUBMIT", "ALARM"], ["SIGNAL"], ["FAIL"]] as const;

  expect(ways.map((way) => after(fence, ...way, "DROP"))).toEqual(ways.map(() => "retired"));
});
