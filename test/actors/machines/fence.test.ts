// A fence from its command to its response.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { fenceMachine } from "../../../src/actors/machines/fence.ts";
import { after } from "./walk.ts";

const fence = compile(fenceMachine);

test("fence of a 2d command signals at once", () => {
  expect(after(fence, "SIGNAL", "RETIRE")).toBe("retired");
});

test("fence of a 3d command waits for the renderer", () => {
  expect(after(fence, "SUBMIT", "SIGNAL", "RETIRE")).toBe("retired");
  expect(after(fence, "SUBMIT", "RETIRE")).toBe("RETIRE: ERR_UNSPEC");
});

test("fence that can not be created fails and is answered", () => {
  expect(after(fence, "FAIL")).toBe("failed");
  expect(after(fence, "FAIL", "RETIRE")).toBe("retired");
});

test("fence alarm is raised once and the fence may still signal", () => {
  expect(after(fence, "SUBMIT", "ALARM", "ALARM")).toBe("ALARM: ERR_UNSPEC");
  expect(after(fence, "SUBMIT", "ALARM", "SIGNAL", "RETIRE")).toBe("retired");
});

test("fence signalled twice returns ERR_UNSPEC", () => {
  expect(after(fence, "SUBMIT", "SIGNAL", "SIGNAL")).toBe("SIGNAL: ERR_UNSPEC");
});
