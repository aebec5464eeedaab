// The device's own outputs: what is asked of them, what the guest is told, and that no change is lost on it.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parseOutputs } from "../../../src/actors/output-changes.ts";
import type { DisplayMode } from "../../../src/actors/gpu/messages.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { driverPatienceMs } from "../../support/patience.ts";
import { DisplayRunner } from "./display-runner.ts";
import { Stage } from "./stage.ts";

const config = serverConfig("--outputs", "800x600,640x480", "--scanouts", "4");

let runner: DisplayRunner;
beforeEach(() => {
  runner = new DisplayRunner(new FakeContext("display", config));
});
afterEach(() => runner.stop());

const ask = (text: string | null) =>
  ({
    ...{ type: "ask-outputs" as const, token: 1 },
    changes: text === null ? null : parseOutputs(text),
  }) as const;

/** Asks for changes; answers the outputs, or what was refused. */
function set(text: string | null, of = runner) {
  of.tell(ask(text));
  of.run();
  const answer = of.told("supervisor").at(-1)!;
  if (answer.type !== "outputs") throw new Error(`told ${answer.type}`);
  return answer.error === "" ? answer.outputs : answer.error;
}

function modes(of = runner): DisplayMode[] {
  of.tell({ type: "ask-display-info", token: 5 });
  of.run();
  const answer = of.answers.at(-1)!;
  return answer.type === "display-info" ? answer.modes : [];
}

const timesTold = (of = runner): number => of.told("vhost-session").length;
const off = { x: 0, y: 0, width: 0, height: 0, enabled: false };

describe("outputs", () => {
  test("are those of the settings, and such as are off until somebody turns them on", () => {
    expect(modes()).toEqual([
      { x: 0, y: 0, width: 800, height: 600, enabled: true },
      { x: 800, y: 0, width: 640, height: 480, enabled: true },
      off,
      off,
    ]);
    expect(set("2=on")).toMatchObject([{}, {}, { isOn: true, x: 1440, width: 1280, height: 800 }, {}]);
    expect(timesTold()).toBe(1);
  });

  test("keep their last mode while they are off, and make room for the others", () => {
    set("0=1024x768");
    expect(set("0=off")).toMatchObject([{ isOn: false, width: 0 }, { x: 0, width: 640 }, {}, {}]);
    expect(set("0=on")).toMatchObject([{ isOn: true, width: 1024, height: 768 }, { x: 1024 }, {}, {}]);
    expect(modes()[0]).toEqual({ x: 0, y: 0, width: 1024, height: 768, enabled: true });
  });

  test("that are not among modes go off", () => {
    expect(set("320x200")).toMatchObject([{ isOn: true, width: 320 }, { isOn: false }, { isOn: false }, {}]);
    expect(set("off,off,off,640x480")).toMatchObject([{ isOn: false }, {}, {}, { isOn: true, x: 0 }]);
    // One that there is not may be off all the same.
    expect(set("off,off,off,off,off")).toMatchObject([{ isOn: false }, {}, {}, { isOn: false }]);
  });

  test("that there are not cannot be turned on: what mends it is said, and nothing else is done", () => {
    const wanted = "there are outputs 0 to 3: a server started with --scanouts 5 has output 4";
    expect(set("0=off,4=on")).toBe(wanted);
    expect(modes()[0]).toMatchObject({ enabled: true, width: 800 });
    expect(timesTold()).toBe(0);
  });

  test("tell what the guest shows, without being changed", () => {
    const stage = new Stage(new FakeContext("display", config));
    try {
      stage.show(stage.surface(1, 64, 32));
      expect(set(null, stage.runner)).toMatchObject([
        { shows: { width: 64, height: 32 } },
        { shows: null },
        {},
        {},
      ]);
      expect(timesTold(stage.runner)).toBe(0);
    } finally {
      stage.stop();
    }
  });

  test("are the VMM's where it shows the picture", () => {
    const stage = new Stage(new FakeContext("display", config));
    try {
      stage.connect({ modes: [{ x: 0, y: 0, width: 320, height: 200 }] });
      expect(set("0=off", stage.runner)).toStartWith("the VMM shows the picture and says the modes");
      expect(timesTold(stage.runner)).toBe(0);
    } finally {
      stage.stop();
    }
  });

  test("are a successor's when the display has crashed", () => {
    set("0=off,1=16384x16384,3=32x32");
    const before = modes();
    const next = new DisplayRunner(new FakeContext("display", config, runner.context.keep));
    try {
      expect(modes(next)).toEqual(before);
      expect(set("0=on", next)).toMatchObject([{ width: 800, height: 600 }, { x: 800 }, {}, { x: 17_184 }]);
    } finally {
      next.stop();
    }
  });
});

test("a picture that nobody sees is told of once, with what shows it", () => {
  const words = "the guest shows a picture that nobody sees";
  const count = ({ runner: { context } }: Stage): number =>
    context.logged.filter(({ text }) => text.startsWith(words)).length;
  // Each begins before the last, which is told of when all have had their time.
  const seen = new Stage(new FakeContext("display", config));
  const looked = new Stage(new FakeContext("display", serverConfig("--inspect")));
  const brief = new Stage(new FakeContext("display", config));
  const unseen = new Stage(new FakeContext("display", config));
  const all = [seen, looked, brief, unseen];
  try {
    seen.connect();
    for (const stage of all) stage.show(stage.surface(1, 8, 8));
    brief.off();
    unseen.show(unseen.surface(2, 8, 8), 1);
    unseen.until(() => count(unseen) === 1, "the hint", driverPatienceMs);
    for (const stage of all) stage.runner.run();
    expect(all.map(count)).toEqual([0, 0, 0, 1]);
    brief.show(brief.surface(2, 8, 8));
    brief.until(() => count(brief) === 1, "the hint", driverPatienceMs);
  } finally {
    for (const stage of all) stage.stop();
  }
});

describe("the guest is told", () => {
  const edid = (scanout: number): void => {
    runner.tell({ type: "ask-edid", token: 6, scanout });
    runner.run();
  };
  const cleared = (): void => {
    runner.tell({ type: "modes-read" });
    runner.run();
  };

  test("once of many changes, and not of none", () => {
    runner.tell(...Array.from({ length: 50 }, (_, index) => ask(`0=${640 + index}x480`)));
    runner.run();
    expect(timesTold()).toBe(1);
    set("0=689x480");
    expect(timesTold()).toBe(1);
    expect(modes()[0]!.width).toBe(689);
  });

  test("again where it has read modes or an EDID before the last change, and then said that it has read all", () => {
    set("0=640x480");
    edid(0);
    modes();
    set("0=320x200");
    expect(timesTold()).toBe(2);
    cleared();
    expect(timesTold()).toBe(3);
    // The modes are new, an EDID is not.
    modes();
    set("0=800x600");
    edid(0);
    set("0=1024x768");
    modes();
    cleared();
    expect(timesTold()).toBe(6);
  });

  test("not again where it knows all, or asks for nothing, and never for ever", () => {
    set("0=640x480");
    edid(0);
    modes();
    cleared();
    expect(timesTold()).toBe(1);
    set("0=320x200");
    for (let times = 0; times < 5; times++) cleared();
    expect(timesTold()).toBe(2);
    set("0=800x600");
    edid(0);
    for (let times = 0; times < 5; times++) cleared();
    expect(timesTold()).toBe(4);
  });
});
