// What a VMM sees of scanouts, damage and cursors.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Request } from "../../../src/transport/vhost-user-gpu/protocol.ts";
import { Format } from "../../../src/transport/virtio-gpu/protocol.ts";
import { gradient, Stage } from "./stage.ts";

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => {
  for (const peer of stage.peers) expect(peer.violations).toEqual([]);
  stage.stop();
});

function expectShown(id: number, colourOf: (x: number, y: number) => number): void {
  const { width, height, pixels } = stage.peer.framebuffer(id)!;
  const expected = Uint32Array.from(pixels, (_, at) => colourOf(at % width, Math.floor(at / width)));
  expect(pixels.map((pixel) => pixel & 0xffffff)).toEqual(expected);
  expect(pixels.length).toBe(width * height);
}

describe("features", () => {
  test("asks for protocol features first and sets what both know", () => {
    stage.connect({ features: 3 });
    stage.settle();
    expect(stage.peer.events).toEqual([{ kind: "asked", request: Request.GET_PROTOCOL_FEATURES }]);
    expect(stage.peer.negotiated).toBe(1n);
  });

  test("sets none where the VMM has none", () => {
    stage.connect({ features: 0 });
    stage.settle();
    expect(stage.peer.negotiated).toBe(0n);
  });
});

describe("scanouts", () => {
  test.each(Object.entries(Format))("%s is shown in its colours", (_, format) => {
    stage.connect();
    stage.show(stage.surface(1, 37, 21, format, 12, 64).paint(gradient));
    stage.settle();
    expectShown(0, gradient);
  });

  test.each(Object.entries(Format))("a rectangle of a surface in %s", (_, format) => {
    stage.connect();
    const surface = stage.surface(1, 40, 30, format).paint(gradient);
    stage.runner.tell(surface.message, {
      type: "scanout",
      ...{ scanout: 3, surface: 1, x: 5, y: 7, width: 20, height: 11 },
    });
    stage.settle();
    expectShown(3, (x, y) => gradient(x + 5, y + 7));

    const red = () => 0xff0000;
    surface.paint(red);
    stage.runner.tell({ type: "flush", scanout: 3, x: 2, y: 3, width: 4, height: 5 });
    stage.settle();
    expect(stage.peer.updates(3).at(-1)).toEqual({ x: 2, y: 3, width: 4, height: 5 });
    expectShown(3, (x, y) => (x >= 2 && x < 6 && y >= 3 && y < 8 ? 0xff0000 : gradient(x + 5, y + 7)));
  });

  test("a page flip of the same size sends no SCANOUT", () => {
    stage.connect();
    stage.show(stage.surface(1, 16, 16).paint(() => 1));
    stage.settle();
    stage.show(stage.surface(2, 16, 16).paint(() => 2));
    stage.settle();
    expect(stage.peer.count(Request.SCANOUT)).toBe(1);
    expectShown(0, () => 2);
  });

  test("another size and off", () => {
    stage.connect();
    stage.show(stage.surface(1, 16, 16));
    stage.settle();
    stage.show(stage.surface(2, 8, 24).paint(gradient));
    stage.settle();
    expectShown(0, gradient);
    stage.runner.tell({ type: "scanout-off", scanout: 0 });
    stage.settle();
    expect(stage.peer.framebuffer(0)).toBeNull();
  });

  test("a scanout that was never on is not turned off", () => {
    stage.connect();
    stage.runner.tell({ type: "scanout-off", scanout: 0 });
    stage.settle();
    expect(stage.peer.count(Request.SCANOUT)).toBe(0);
  });
});
