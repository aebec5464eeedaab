// What a guest may ask for, with limits that a test can reach.

import { expect, test } from "bun:test";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

/** 1000 × 250 pixels in whole pages. */
const storageBytesMax = 245 * 4096;

const { withDevice, server, expectServing } = serveTests(
  ...["--resources-max", "100", "--storage-bytes-max", String(storageBytesMax)],
  ...["--backing-entries-max", "10", "--backing-pieces-max", "25", "--command-bytes-max", "4096"],
  // So that no line is left out.
  ...["--queue-size-max", "1024", "--log-lines-max", "1000"],
);
limitsAreTold(() => server().log());
const { ERR_OUT_OF_MEMORY } = Response;

limitTest("resourcesMax", "create one resource too many returns ERR_OUT_OF_MEMORY until one is freed", () =>
  withDevice({}, ({ gpu }) => {
    for (let id = 1; id <= 100; id++) expectOk(gpu.createResource2d(id, 1, 4, 4));
    expectType(gpu.createResource2d(101, 1, 4, 4), ERR_OUT_OF_MEMORY);
    expectOk(gpu.unrefResource(50));
    expectOk(gpu.createResource2d(101, 1, 4, 4));
    expectType(gpu.createResource2d(50, 1, 4, 4), ERR_OUT_OF_MEMORY);
    expectOk(gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }));
  }),
);

limitTest(
  "storageBytesMax",
  "create more bytes than allowed returns ERR_OUT_OF_MEMORY until they are freed",
  () =>
    withDevice({}, ({ gpu }) => {
      expectType(gpu.createResource2d(1, 1, 1000, 251), ERR_OUT_OF_MEMORY);
      expectOk(gpu.createResource2d(1, 1, 1000, 250));
      expectType(gpu.createResource2d(2, 1, 1, 1), ERR_OUT_OF_MEMORY);
      expectOk(gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }));
      expectOk(gpu.unrefResource(1));
      expectOk(gpu.createResource2d(2, 1, 1, 1));
    }),
);

test("limits start anew with each front-end", async () => {
  for (let round = 0; round < 3; round++) {
    await withDevice({}, ({ gpu }) => expectOk(gpu.createResource2d(1, 1, 1000, 250)));
  }
});

limitTest("backingEntriesMax", "attach 11 entries returns ERR_OUT_OF_MEMORY", () =>
  withDevice({}, ({ gpu, memory }) => {
    const entries = (count: number) => Array.from({ length: count }, () => memory.allocate(64, 64));
    expectOk(gpu.createResource2d(1, 1, 4, 4));
    expectType(gpu.attachBacking(1, entries(11)), ERR_OUT_OF_MEMORY);
    expectOk(gpu.attachBacking(1, entries(10)));
    expectOk(gpu.transferToHost2d(1, areaOf({ width: 4, height: 4 })));
  }),
);

limitTest(
  "backingPiecesMax",
  "backings beyond what all may have return ERR_OUT_OF_MEMORY until one goes",
  () =>
    withDevice({}, (guest) => {
      const { gpu, memory } = guest;
      // Apart from each other, so that no two are one piece.
      const entries = (count: number) =>
        Array.from({ length: count * 2 }, () => memory.allocate(64, 64)).filter((_, at) => at % 2 === 0);
      for (const id of [1, 2, 3, 4]) expectOk(gpu.createResource2d(id, 1, 4, 4));
      for (const id of [1, 2]) expectOk(gpu.attachBacking(id, entries(10)));
      expectOk(gpu.attachBacking(3, entries(5)));
      expectType(gpu.attachBacking(4, entries(1)), ERR_OUT_OF_MEMORY);
      expectOk(gpu.transferToHost2d(3, areaOf({ width: 4, height: 4 })));
      expectOk(gpu.detachBacking(2));
      expectOk(gpu.attachBacking(4, entries(10)));
      expectWorking(guest);
    }),
);

limitTest(
  "queueSizeMax",
  "a ring that is one size larger ends its session, and the next VMM is served",
  async () => {
    await withDevice({ queueSizes: [1024, 1024] }, expectWorking);
    expect(() =>
      SyntheticGuest.boot(server().socketPath, { queueSizes: [2048, 16], display: null }),
    ).toThrow();
    // The session is over before its last line is here.
    while (!server().log().includes("cannot have 2048 entries: want a power of two up to 1024"))
      await Bun.sleep(5);
    expectServing();
  },
);

limitTest("commandBytesMax", "a command of 4097 bytes returns ERR_OUT_OF_MEMORY", () =>
  withDevice({}, (guest) => {
    const padded = (length: number) => {
      const bytes = new Uint8Array(length);
      bytes.set(new Uint8Array(commands.createResource2d(1, 1, 4, 4).buffer as ArrayBuffer));
      return bytes;
    };
    expectType(guest.control.call(padded(4097)), ERR_OUT_OF_MEMORY);
    expectOk(guest.control.call(padded(4096)));
    expectWorking(guest);
  }),
);

limitsAreTold(() => asking.server().log());
const asking = serveTests("--questions-max", "2", "--display-timeout-ms", "60000");

limitTest(
  "questionsMax",
  "one question too many returns ERR_OUT_OF_MEMORY, and what needs no answer goes on",
  () =>
    asking.withDevice({ display: { answersDisplayInfo: false } }, (guest) => {
      const ask = () => guest.control.submit(commands.getDisplayInfo());
      const waiting = [ask(), ask()];
      expectType(guest.control.wait(ask()), ERR_OUT_OF_MEMORY);
      expect(waiting.map(({ done }) => done)).toEqual([false, false]);
      expectWorking(guest);
    }),
);

test("a flood of questions is answered every one", () =>
  withDevice({ display: { answersDisplayInfo: false }, queueSizes: [1024, 16] }, (guest) => {
    const sent = Array.from({ length: 200 }, () => guest.control.submit(commands.getDisplayInfo()));
    guest.control.waitAll();
    const types = new Set(sent.map(({ result }) => result.type));
    expect([...types].every((type) => type === Response.OK_DISPLAY_INFO || type === ERR_OUT_OF_MEMORY)).toBe(
      true,
    );
  }));
