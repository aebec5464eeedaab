// Which scanouts a command may name, and what moves a picture.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { scanoutMachine } from "../../../src/actors/machines/scanout.ts";
import { after } from "./walk.ts";

const scanout = compile(scanoutMachine);

test("scanout beyond num scanouts returns ERR_INVALID_SCANOUT_ID", () => {
  for (const event of ["SHOW_CPU", "SHOW_GPU", "DISABLE", "FLUSH", "UPDATE_CURSOR", "MOVE_CURSOR"] as const) {
    expect(after(scanout, event)).toBe(`${event}: ERR_INVALID_SCANOUT_ID`);
  }
});

test("scanout can be disabled twice", () => {
  expect(after(scanout, "PLUG", "DISABLE", "DISABLE")).toBe("plugged.disabled");
});

test("scanout switches between storage tiers", () => {
  expect(after(scanout, "PLUG", "SHOW_CPU", "SHOW_GPU", "SHOW_CPU")).toBe("plugged.cpu");
});

test("scanout follows a 2d resource into the renderer", () => {
  expect(after(scanout, "PLUG", "SHOW_CPU", "PROMOTE")).toBe("plugged.gpu");
});

test("scanout goes dark when its resource is unreferenced", () => {
  expect(after(scanout, "PLUG", "SHOW_CPU", "RELEASE")).toBe("plugged.disabled");
  expect(after(scanout, "PLUG", "SHOW_GPU", "RELEASE")).toBe("plugged.disabled");
});

test("scanout disabled has nothing to flush and returns ERR_INVALID_PARAMETER", () => {
  expect(after(scanout, "PLUG", "FLUSH")).toBe("FLUSH: ERR_INVALID_PARAMETER");
});

test("scanout disabled takes a cursor", () => {
  expect(after(scanout, "PLUG", "UPDATE_CURSOR", "MOVE_CURSOR")).toBe("plugged.disabled");
});
