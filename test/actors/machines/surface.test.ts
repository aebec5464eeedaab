// A surface's life: stale until it is shown, and lent for as long as somebody reads it.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { surfaceMachine } from "../../../src/actors/machines/surface.ts";
import { after } from "./walk.ts";

const surface = compile(surfaceMachine);

test("surface is stale until all sinks have shown it", () => {
  expect(after(surface, "DAMAGE", "MAPPED")).toBe("mapped.stale+unread");
  expect(after(surface, "MAPPED", "PRESENTED")).toBe("mapped.presented+unread");
  expect(after(surface, "MAPPED", "PRESENTED", "DAMAGE")).toBe("mapped.stale+unread");
  expect(after(surface, "MAPPED", "READ", "DAMAGE", "PRESENTED")).toBe("mapped.presented+read");
});

test("surface lease ends after the last reader", () => {
  expect(after(surface, "MAPPED", "READ", "DROP")).toBe("dropped");
  expect(after(surface, "MAPPED", "READ", "DROP", "READ_DONE")).toBe("released");
  expect(after(surface, "MAPPED", "READ", "READ_DONE", "DROP")).toBe("released");
  expect(after(surface, "MAPPED", "DROP")).toBe("released");
});

test("surface that can not be mapped is released when dropped", () => {
  expect(after(surface, "MAP_FAILED", "DAMAGE")).toBe("unusable");
  expect(after(surface, "MAP_FAILED", "DROP")).toBe("released");
});

test("surface that is gone takes nothing", () => {
  expect(after(surface, "MAPPED", "DROP", "READ")).toBe("READ: ERR_UNSPEC");
  expect(after(surface, "MAPPED", "READ", "DROP", "READ")).toBe("READ: ERR_UNSPEC");
});
