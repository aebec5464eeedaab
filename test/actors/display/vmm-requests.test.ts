// The guest's questions about the outputs: who answers them, and what a VMM may do wrong.

import { afterEach, describe, expect, test } from "bun:test";
import { Counter } from "../../../src/actors/display/counters.ts";
import type { CtrlQueueMessage } from "../../../src/actors/gpu/messages.ts";
import { generateEdid, soundEdid } from "../../../src/picture/edid.ts";
import { DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { DisplayInfo, Edid } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { answer, RawVmm } from "./raw-vmm.ts";
import { gradient, Stage } from "./stage.ts";

const timeoutMs = 30;
const configOf = (ms: number) =>
  serverConfig("--outputs", "800x600,640x480", "--display-timeout-ms", String(ms));
const config = configOf(timeoutMs);
/** Of a display that waits for a VMM that is slow because this machine is. */
const patient = configOf(60_000);

let stage: Stage;
const raws: RawVmm[] = [];
const open = (settings = config): Stage => (stage = new Stage(new FakeContext("display", settings)));
afterEach(() => {
  for (const peer of stage.peers) expect(peer.violations).toEqual([]);
  stage.stop();
  for (const raw of raws.splice(0)) raw.close();
});

function connectRaw(): RawVmm {
  const raw = new RawVmm();
  raws.push(raw);
  stage.runner.tell({ type: "take-vmm-socket", fd: raw.backEndFd, socket: raw.backEndFd });
  stage.runner.run();
  return raw;
}

/** A raw VMM that has said which features it has. */
function connectNegotiated(features = 1): RawVmm {
  const raw = connectRaw();
  raw.messages();
  raw.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: features }));
  stage.runner.run();
  raw.messages();
  return raw;
}

const answers = (): CtrlQueueMessage[] => stage.runner.answers;
const warnings = (): string[] =>
  stage.runner.context.logged.filter(({ level }) => level === "warning").map(({ text }) => text);

const configured = [
  { x: 0, y: 0, width: 800, height: 600, enabled: true },
  { x: 800, y: 0, width: 640, height: 480, enabled: true },
];

/** What an array of modes must match when the VMM has one output. */
const modesWith = (first: object) => [first, ...Array.from({ length: 15 }, () => ({ enabled: false }))];

const modeField = (output: number, field: keyof typeof DisplayInfo.mode) =>
  DisplayInfo.modes + output * DisplayInfo.mode.bytes + DisplayInfo.mode[field];
/** The fields of a display info with one enabled output. */
const oneOutput = (width: number, height: number): Record<number, number> => ({
  [modeField(0, "width")]: width,
  [modeField(0, "height")]: height,
  [modeField(0, "enabled")]: 1,
});

describe("without a VMM", () => {
  test("the settings answer", () => {
    open();
    stage.runner.tell({ type: "ask-display-info", token: 7 }, { type: "ask-edid", token: 8, scanout: 1 });
    stage.runner.run();
    expect(answers()).toEqual([
      { type: "display-info", token: 7, modes: configured },
      { type: "edid", token: 8, edid: generateEdid(640, 480, 1) },
    ]);
  });

  test("a socket that arrives just before the question is asked", () => {
    open();
    const raw = new RawVmm();
    raws.push(raw);
    const { context } = stage.runner;
    context.arriving.push(() =>
      stage.runner.tell({ type: "take-vmm-socket", fd: raw.backEndFd, socket: raw.backEndFd }),
    );
    stage.runner.tell({ type: "ask-display-info", token: 1 });
    stage.runner.run();
    raw.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES));
    stage.runner.run();
    expect(raw.messages().map(({ request }) => request)).toEqual([
      DisplayRequest.GET_PROTOCOL_FEATURES,
      DisplayRequest.SET_PROTOCOL_FEATURES,
      DisplayRequest.GET_DISPLAY_INFO,
    ]);
  });
});

describe("a VMM that answers", () => {
  test("is asked in order, one request after another", () => {
    open();
    const edid = generateEdid(1024, 768, 3);
    stage.connect({ edid, modes: [{ x: 5, y: 6, width: 1024, height: 768 }] });
    stage.runner.tell(
      { type: "ask-edid", token: 1, scanout: 0 },
      { type: "ask-edid", token: 2, scanout: 1 },
      { type: "ask-display-info", token: 3 },
    );
    stage.settle();
    const [one, two, three] = answers();
    expect(one).toEqual({ type: "edid", token: 1, edid });
    expect(two).toEqual({ type: "edid", token: 2, edid });
    expect(three).toMatchObject({ type: "display-info", token: 3 });
    const { modes } = three as { modes: unknown[] };
    expect(modes.length).toBe(16);
    expect(modes[0]).toEqual({ x: 5, y: 6, width: 1024, height: 768, enabled: true });
    expect(modes[1]).toMatchObject({ enabled: false });
    expect(stage.peer.events).toEqual(
      [
        DisplayRequest.GET_PROTOCOL_FEATURES,
        DisplayRequest.GET_EDID,
        DisplayRequest.GET_EDID,
        DisplayRequest.GET_DISPLAY_INFO,
      ].map((request) => ({ kind: "asked" as const, request })),
    );
  });

  test("without EDID is asked for its modes, and our EDID prefers them", () => {
    open();
    stage.connect({ features: 0, modes: [{ x: 0, y: 0, width: 1600, height: 900 }] });
    stage.runner.tell({ type: "ask-edid", token: 1, scanout: 0 });
    stage.settle();
    expect(answers()).toEqual([{ type: "edid", token: 1, edid: generateEdid(1600, 900, 0) }]);
    expect(stage.peer.count(DisplayRequest.GET_EDID)).toBe(0);
  });

  test("in pieces of one byte", () => {
    open(patient);
    const raw = connectRaw();
    const trickle = (bytes: Uint8Array) => {
      for (const byte of bytes) {
        raw.write(Uint8Array.of(byte));
        stage.runner.run();
      }
    };
    trickle(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: 1 }));
    stage.runner.tell({ type: "ask-display-info", token: 1 }, { type: "ask-edid", token: 2, scanout: 0 });
    stage.runner.run();
    trickle(answer(DisplayRequest.GET_DISPLAY_INFO, oneOutput(11, 22)));
    const reply = answer(DisplayRequest.GET_EDID, { [Edid.size]: 128 });
    const edid = generateEdid(11, 22, 0);
    reply.set(edid, 12 + Edid.edid);
    trickle(reply);
    expect(answers()).toMatchObject([
      { type: "display-info", token: 1, modes: modesWith({ width: 11, height: 22, enabled: true }) },
      { type: "edid", token: 2, edid },
    ]);
  });

  test.each([
    ["no size", 0, {}],
    ["a size beyond its end", 0xffff_ffff, {}],
    ["more extensions than bytes", 128, { [Edid.edid + 124]: 0x00ff_0000 }],
  ])("with a broken EDID (%s) gets ours to the guest", (_, size, fields) => {
    open();
    const raw = connectNegotiated();
    stage.runner.tell({ type: "ask-edid", token: 1, scanout: 1 });
    stage.runner.run();
    raw.write(answer(DisplayRequest.GET_EDID, { ...fields, [Edid.size]: size }));
    stage.runner.run();
    expect(answers()).toEqual([{ type: "edid", token: 1, edid: generateEdid(640, 480, 1) }]);
    expect(warnings().length).toBe(1);
  });
});

describe("a VMM that keeps silent", () => {
  const waitForAnswers = (count: number) =>
    stage.until(() => answers().length >= count, `${count} answers`, 2000);

  test("about EDID: ours is used, and it is not asked again", () => {
    open();
    const modes = [{ x: 0, y: 0, width: 1600, height: 900 }];
    stage.connect({ features: 1, answersEdid: false, modes });
    stage.runner.tell({ type: "ask-edid", token: 1, scanout: 0 }, { type: "ask-edid", token: 2, scanout: 1 });
    waitForAnswers(2);
    expect(answers()).toEqual([
      { type: "edid", token: 1, edid: generateEdid(800, 600, 0) },
      { type: "edid", token: 2, edid: generateEdid(640, 480, 1) },
    ]);
    expect(warnings()).toEqual([
      `the VMM's display did not answer GET_EDID within ${timeoutMs} ms: going on without`,
    ]);

    // It still answers other questions, and our EDID follows them.
    stage.runner.tell({ type: "ask-edid", token: 3, scanout: 0 });
    waitForAnswers(3);
    expect(answers()[2]).toEqual({ type: "edid", token: 3, edid: generateEdid(1600, 900, 0) });
    expect(stage.peer.count(DisplayRequest.GET_EDID)).toBe(1);
    const { counters } = stage.runner.context;
    expect([counters[Counter.questions], counters[Counter.questionsUnanswered]]).toEqual([3, 1]);
    expect(warnings().length).toBe(1);
  });

  test("about display info: the settings answer at once until the late reply comes", () => {
    open();
    const raw = connectNegotiated(0);
    stage.runner.tell({ type: "ask-display-info", token: 1 });
    stage.until(() => answers().length === 1, "an answer");
    stage.runner.tell({ type: "ask-display-info", token: 2 });
    stage.runner.run();
    expect(answers()).toEqual([1, 2].map((token) => ({ type: "display-info", token, modes: configured })));
    expect(raw.messages().map(({ request }) => request)).toEqual([DisplayRequest.GET_DISPLAY_INFO]);

    raw.write(answer(DisplayRequest.GET_DISPLAY_INFO, oneOutput(5, 6)));
    stage.runner.run();
    expect(answers().length).toBe(2);
    stage.runner.tell({ type: "ask-display-info", token: 3 });
    stage.runner.run();
    expect(raw.messages().map(({ request }) => request)).toEqual([DisplayRequest.GET_DISPLAY_INFO]);
    raw.write(answer(DisplayRequest.GET_DISPLAY_INFO, oneOutput(7, 8)));
    stage.runner.run();
    expect(answers()[2]).toMatchObject({ token: 3, modes: modesWith({ width: 7 }) });
  });

  test("about features: frames are sent without any, and a late answer counts", () => {
    open();
    const raw = connectRaw();
    stage.show(stage.surface(1, 8, 8).paint(gradient));
    stage.runner.tell({ type: "ask-display-info", token: 1 });
    stage.runner.run();
    expect(raw.messages().map(({ request }) => request)).toEqual([DisplayRequest.GET_PROTOCOL_FEATURES]);
    stage.until(() => answers().length === 1, "an answer");
    stage.runner.run();
    expect(raw.messages().map(({ request }) => request)).toEqual([
      DisplayRequest.SCANOUT,
      DisplayRequest.UPDATE,
    ]);
    stage.runner.tell({ type: "ask-display-info", token: 2 });
    stage.runner.run();
    expect(answers().length).toBe(2);

    raw.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: 3 }));
    stage.runner.run();
    stage.runner.tell({ type: "ask-display-info", token: 3 });
    stage.runner.run();
    const [set, get] = raw.messages();
    expect(set).toMatchObject({ request: DisplayRequest.SET_PROTOCOL_FEATURES });
    expect(set!.payload.getBigUint64(0, true)).toBe(3n);
    expect(get).toMatchObject({ request: DisplayRequest.GET_DISPLAY_INFO });
  });

  test("until the display stops: nobody is answered, for its successor is asked again", () => {
    open();
    stage.connect({ answersDisplayInfo: false });
    stage.runner.tell({ type: "ask-display-info", token: 1 });
    stage.settle();
    stage.runner.stopDisplay();
    expect(answers()).toEqual([]);
    const { peers, pump } = stage;
    open();
    for (const peer of peers) peer.free();
    pump.close();
  });

  test("by closing: what waits is answered from the settings", () => {
    open();
    stage.connect({ answersDisplayInfo: false });
    stage.runner.tell({ type: "ask-display-info", token: 1 }, { type: "ask-edid", token: 2, scanout: 0 });
    stage.settle();
    expect(answers()).toEqual([]);
    stage.peer.close();
    stage.runner.run();
    expect(answers()).toEqual([
      { type: "display-info", token: 1, modes: configured },
      { type: "edid", token: 2, edid: generateEdid(800, 600, 0) },
    ]);
  });
});

describe("a VMM that answers wrongly loses its display, with one log line", () => {
  const wrong: [string, Uint8Array][] = [
    ["nothing that was asked", answer(DisplayRequest.GET_EDID, {}, { size: 1056 })],
    ["a request that has no answer", answer(DisplayRequest.UPDATE, {}, { size: 8 })],
    ["an unknown request", answer(99, {}, { size: 8 })],
    ["a request number that wraps", answer(32 + DisplayRequest.GET_DISPLAY_INFO, {}, { size: 408 })],
    ["too short", answer(DisplayRequest.GET_DISPLAY_INFO, {}, { size: 8 })],
    ["too long", answer(DisplayRequest.GET_DISPLAY_INFO, {}, { size: 412 })],
    ["a size of 4 GiB", answer(DisplayRequest.GET_DISPLAY_INFO).fill(0xff, 8, 12)],
    ["no reply flag", answer(DisplayRequest.GET_DISPLAY_INFO, {}, { flags: 0 })],
    [
      "twice",
      new Uint8Array([
        ...answer(DisplayRequest.GET_DISPLAY_INFO),
        ...answer(DisplayRequest.GET_DISPLAY_INFO),
      ]),
    ],
  ];

  test.each(wrong)("%s", (_, bytes) => {
    open();
    const raw = connectNegotiated(0);
    stage.runner.tell({ type: "ask-display-info", token: 1 });
    stage.runner.run();
    raw.write(bytes);
    stage.runner.run();
    expect(answers().length).toBe(1);
    expect(warnings().length).toBe(1);
    stage.runner.tell({ type: "ask-description", token: 2 });
    expect(stage.runner.told("supervisor").at(-1)).toMatchObject({ state: { sinks: [] } });
    // The device goes on without it.
    stage.show(stage.surface(1, 8, 8));
    stage.runner.tell({ type: "ask-display-info", token: 3 });
    stage.runner.run();
    expect(answers().length).toBe(2);
  });

  test.each([1, 11, 12, 13, 400])("the end after %d bytes of an answer", (count) => {
    open();
    const raw = connectNegotiated(0);
    stage.runner.tell({ type: "ask-display-info", token: 1 });
    stage.runner.run();
    raw.write(answer(DisplayRequest.GET_DISPLAY_INFO).subarray(0, count));
    raw.close();
    raws.pop();
    stage.runner.run();
    expect(answers()).toEqual([{ type: "display-info", token: 1, modes: configured }]);
    expect(stage.runner.context.logged.at(-1)).toMatchObject({ level: "info" });
  });
});

test("our own EDIDs are sound", () => {
  open();
  for (let scanout = 0; scanout < 16; scanout++) {
    stage.runner.tell({ type: "ask-edid", token: scanout, scanout });
  }
  stage.runner.run();
  expect(answers().every((one) => one.type === "edid" && soundEdid(Uint8Array.from(one.edid)) !== null)).toBe(
    true,
  );
});
