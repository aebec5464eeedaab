// What people may ask of the outputs, as they type it.

import { expect, test } from "bun:test";
import { type OutputChange, OutputsText, parseOutputs } from "../../src/actors/output-changes.ts";
import { ValueError } from "../../src/config-values.ts";

const on = (output: number, width: number, height: number): OutputChange => ({
  ...{ output, isOn: true },
  size: { width, height },
});
const off = (output: number): OutputChange => ({ output, isOn: false, size: null });

test("modes are those of the outputs in their order, and all others go off", () => {
  for (const text of ["640x480,off,800x600", "640x480 off 800x600", " 640x480, off,800x600,"]) {
    expect(parseOutputs(text)).toEqual({
      changes: [on(0, 640, 480), off(1), on(2, 800, 600)],
      isAll: true,
    });
  }
});

test("outputs by their numbers leave the others as they are", () => {
  expect(parseOutputs("3=1920x1080,0=off 15=on")).toEqual({
    changes: [on(3, 1920, 1080), off(0), { output: 15, isOn: true, size: null }],
    isAll: false,
  });
});

test("what makes no sense is refused with what is wanted", () => {
  for (const text of ["", ",", "640", "0=", "=on", "16=on", "1=2=on", "x=on", "0=16x16", "0=40000x600"])
    expect(() => parseOutputs(text), text).toThrow(ValueError);
  for (const text of ["640x480,1=on", "1=on,1=off", Array.from({ length: 17 }, () => "off").join()])
    expect(() => parseOutputs(text), text).toThrow(/^want /);
  for (const given of [undefined, null, 7, ["640x480"]])
    expect(() => OutputsText.read(given)).toThrow(/^want modes/);
});
