// Which scanouts a command may name, and what moves a picture.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { scanoutMachine } from "../../../src/actors/machines/scanout.ts";
import { after } from "./walk.ts";

const scanout = compile(scanoutMachine);

test("scanout beyond num scanouts returns ERR_INVALID_SCANOUT_ID", () => {
  for (const event of [
    "SHOW_CPU",
    "SHOW_GPU",
    "DISABLE",
    "GET_EDID",
    "UPDATE_CURSOR",
    "MOVE_CURSOR",
  ] as const) {
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

test("scanout that shows nothing has an EDID", () => {
  expect(after(scanout, "PLUG", "GET_EDID")).toBe("plugged.disabled");
});

test("scanout is unplugged whatever it shows, and plugged anew", () => {
  for (const way of [[], ["SHOW_CPU"], ["SHOW_GPU"], ["SHOW_CPU", "PROMOTE"]] as const) {
    expect(after(scanout, "PLUG", ...way, "UNPLUG")).toBe("absent");
  }
  expect(after(scanout, "PLUG", "UNPLUG", "UNPLUG")).toBe("UNPLUG: ERR_INVALID_SCANOUT_ID");
  expect(after(scanout, "PLUG", "UNPLUG", "PLUG")).toBe("plugged.disabled");
});

test("scanout disabled takes a cursor", () => {
  expect(after(scanout, "PLUG", "UPDATE_CURSOR", "MOVE_CURSOR")).toBe("plugged.disabled");
});
