// Which scanouts a command may name, and what moves a picture.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { scanoutMachine } from "../../../src/actors/machines/scanout.ts";
import { after } from "./walk.ts";

const scanout = compile(scanoutMachine);

test("scanout_beyond_num_scanouts_returns_err_invalid_scanout_id", () => {
  for (const event of ["SHOW_CPU", "SHOW_GPU", "DISABLE", "FLUSH", "UPDATE_CURSOR", "MOVE_CURSOR"] as const) {
    expect(after(scanout, event)).toBe(`${event}: ERR_INVALID_SCANOUT_ID`);
  }
});

test("scanout_can_be_disabled_twice", () => {
  expect(after(scanout, "PLUG", "DISABLE", "DISABLE")).toBe("plugged.disabled");
});

test("scanout_switches_between_storage_tiers", () => {
  expect(after(scanout, "PLUG", "SHOW_CPU", "SHOW_GPU", "SHOW_CPU")).toBe("plugged.cpu");
});

test("scanout_follows_a_2d_resource_into_the_renderer", () => {
  expect(after(scanout, "PLUG", "SHOW_CPU", "PROMOTE")).toBe("plugged.gpu");
});

test("scanout_goes_dark_when_its_resource_is_unreferenced", () => {
  expect(after(scanout, "PLUG", "SHOW_CPU", "RELEASE")).toBe("plugged.disabled");
  expect(after(scanout, "PLUG", "SHOW_GPU", "RELEASE")).toBe("plugged.disabled");
});

test("scanout_disabled_has_nothing_to_flush_and_returns_err_invalid_parameter", () => {
  expect(after(scanout, "PLUG", "FLUSH")).toBe("FLUSH: ERR_INVALID_PARAMETER");
});

test("scanout_disabled_takes_a_cursor", () => {
  expect(after(scanout, "PLUG", "UPDATE_CURSOR", "MOVE_CURSOR")).toBe("plugged.disabled");
});
