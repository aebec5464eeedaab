// Break and step on a real server: a page stops the ctrl queue, and the guest sees nothing but a slow device.

import { afterEach, expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { BreakPage, inspectorIn } from "../support/break-page.ts";
import { openMutePage } from "../support/mute-page.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOk, expectShown, expectWorking, serveTests } from "./support.ts";

const { withDevice, server } = serveTests("--inspect", "--renderer=software");

// A break goes with its page, which the inspector hears of later; or with the inspector, and then another one comes.
afterEach(async () => {
  for (let attempt = 0; attempt < 800; attempt++) {
    const { state } = await get<{ state: string }>("/api/break").catch(() => ({ state: "" }));
    if (state === "running") return;
    await Bun.sleep(10);
  }
  throw new Error("no inspector is there, or a break has stayed");
});

/** Runs `body` with a page, whose break goes with it. */
async function withPage(body: (page: BreakPage) => unknown): Promise<void> {
  const page = await BreakPage.open(server().log());
  try {
    await body(page);
  } finally {
    page.close();
  }
}

const get = async <T>(path: string): Promise<T> => {
  const { url, headers } = inspectorIn(server().log());
  return (await (await fetch(new URL(path, url), { headers })).json()) as T;
};
const gaugeOf = async (name: string): Promise<number> => {
  const { url, headers } = inspectorIn(server().log());
  const text = await (await fetch(new URL("/metrics", url), { headers })).text();
  return Number(new RegExp(`^fencepost_${name}\\{\\} (\\S+)$`, "m").exec(text)![1]);
};

const { OK_NODATA, ERR_INVALID_RESOURCE_ID } = Response;

/** Commands on their way, whose answers nobody waits for yet. */
function submitAll({ gpu }: SyntheticGuest, requests: readonly DataView[]): () => number[] {
  const sent = requests.map((request) => gpu.control.submit(request));
  return () => {
    gpu.control.collect();
    return sent.filter(({ done }) => done).map(({ result }) => result.type);
  };
}

const create = (id: number): DataView => commands.createResource2d(id, Format.B8G8R8X8, 16, 16);
const flush = (id: number): DataView => commands.flushResource(id, { x: 0, y: 0, width: 16, height: 16 });

test("what is about to run is told with every field and what it will touch; all is answered in order once it goes on", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      const image = guest.gpu.createImage(7, Format.B8G8R8X8, 320, 200);
      guest.gpu.show(0, image);
      await page.breakAt("type:flush res:7");
      const answers = submitAll(guest, [
        commands.transferToHost2d(7, areaOf(image), 0),
        commands.flushResource(7, areaOf(image)),
        create(8),
        flush(99),
      ]);
      // It may stop before the last of them is there, and counts what waits again.
      const record = await page.until(({ behind }) => behind === 2);
      expect(record).toMatchObject({ why: "before", heldBy: ["type:flush res:7"], stops: 1, cause: null });
      expect(record.next).toMatchObject({
        ...{
          id: expect.stringMatching(/^ctrl-queue:\d+$/),
          type: "RESOURCE_FLUSH",
          response: "",
          takenNs: 0,
        },
        ...{ fields: { contextId: 0, resourceId: 7, x: 0, y: 0, width: 320, height: 200 }, bytes: 48 },
      });
      expect(record.touches).toEqual([
        {
          kind: "resource",
          id: 7,
          how: "is shown as it is now",
          state: "cpu2d.backed",
          what: "320×200 B8G8R8X8",
        },
        { kind: "scanout", id: 0, how: "shows it", state: "on", what: "resource 7" },
      ]);
      expect(answers()).toEqual([OK_NODATA]);
      const { next, ...told } = await get<{ next: { request: string }; state: string }>("/api/break");
      expect(told.state).toBe("paused");
      expect(next.request).toStartWith("04010000");
      expect(await gaugeOf("ctrl_queue_paused")).toBe(1);
      expect(await gaugeOf("ctrl_queue_paused_seconds")).toBeGreaterThan(0);

      page.say({ type: "continue" });
      await page.until(({ state }) => state === "armed");
      guest.gpu.control.waitAll();
      expect(answers()).toEqual([OK_NODATA, OK_NODATA, OK_NODATA, ERR_INVALID_RESOURCE_ID]);
      expect(await gaugeOf("ctrl_queue_paused")).toBe(0);
      const lines = server()
        .log()
        .match(/the ctrl queue .*/g);
      expect(lines).toEqual([
        'the ctrl queue is paused before RESOURCE_FLUSH, by the break "type:flush res:7"',
        expect.stringMatching(/^the ctrl queue goes on, after \d+ ms$/),
      ]);
    }),
  ));

test("steps run one command each, and what each made is seen by the next", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      await page.breakAt("");
      const answers = submitAll(guest, [
        create(7),
        commands.unrefResource(7),
        flush(7),
        create(8),
        create(9),
      ]);
      const first = await page.untilPaused(1);
      expect(first.next).toMatchObject({ type: "RESOURCE_CREATE_2D" });
      expect(first.touches).toEqual([{ kind: "resource", id: 7, how: "is made", state: "absent", what: "" }]);
      page.say({ type: "step", count: 1 });
      const second = await page.untilPaused(first.stops + 1);
      expect(second).toMatchObject({ why: "step", next: { type: "RESOURCE_UNREF" }, behind: 3 });
      expect(second.touches).toMatchObject([
        { how: "is freed", state: "cpu2d.bare", what: "16×16 B8G8R8X8" },
      ]);
      page.say({ type: "step", count: 2 });
      const third = await page.untilPaused(first.stops + 2);
      expect(third).toMatchObject({ next: { fields: { resourceId: 8 } }, behind: 1 });
      expect(answers()).toEqual([OK_NODATA, OK_NODATA, ERR_INVALID_RESOURCE_ID]);
      page.say({ type: "clear" });
      await page.until(({ state }) => state === "running");
      guest.gpu.control.waitAll();
      expect(answers()).toHaveLength(5);
    }),
  ));

test("an error stops the queue behind the command that earned it", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      await page.breakAt("errors");
      const answers = submitAll(guest, [create(7), flush(99), flush(7)]);
      const record = await page.untilPaused();
      expect(record).toMatchObject({
        ...{ why: "answer", next: { fields: { resourceId: 7 } } },
        cause: { type: "RESOURCE_FLUSH", fields: { resourceId: 99 }, response: "ERR_INVALID_RESOURCE_ID" },
      });
      expect(answers()).toEqual([OK_NODATA, ERR_INVALID_RESOURCE_ID]);
    }),
  ));

test("what makes no sense is said, and changes nothing", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      page.say({ type: "break", filter: "foo:1" });
      page.say({ type: "step", count: 1 });
      page.say({ type: "continue" });
      await page.until(() => page.errors.length === 3);
      expect(page.errors[0]).toStartWith("foo:1: want ctx:N");
      expect(page.errors.slice(1)).toEqual(
        Array(2).fill("the ctrl queue runs: it has to be paused by a break first"),
      );
      expect(page.record).toMatchObject({ state: "running", breaks: [] });
      expectWorking(guest);
    }),
  ));

test("a page that goes away lets the queue go on, unless another has the same break", () =>
  withDevice({}, (guest) =>
    withPage(async (first) => {
      await first.breakAt("type:flush");
      let answers = (): number[] => [];
      await withPage(async (second) => {
        await second.breakAt("type:flush", 2);
        answers = submitAll(guest, [flush(99), create(8)]);
        await second.untilPaused();
        first.close();
        const left = await second.until(({ breaks }) => breaks.length === 1);
        expect(left).toMatchObject({ state: "paused", heldBy: ["type:flush"], stops: 1 });
        expect(answers()).toEqual([]);
      });
      guest.gpu.control.waitAll();
      expect(answers()).toEqual([ERR_INVALID_RESOURCE_ID, OK_NODATA]);
    }),
  ));

test("what was kept for a page that goes away waits for another's break as well, be it a later or a wider one", () =>
  withDevice({}, (guest) =>
    withPage(async (first) => {
      await first.breakAt("type:flush");
      const answers = submitAll(guest, [flush(99), create(8)]);
      await first.untilPaused();
      await withPage(async (second) => {
        await second.breakAt("", 2);
        first.close();
        const again = await second.untilPaused(2);
        expect(again).toMatchObject({ heldBy: [""], stops: 2, next: { fields: { resourceId: 99 } } });
        expect(answers()).toEqual([]);
        second.say({ type: "continue" });
        await second.untilPaused(3);
        expect(answers()).toEqual([ERR_INVALID_RESOURCE_ID]);
      });
      guest.gpu.control.waitAll();
    }),
  ));

test("a page that is there no more lets it go on, though it closes nothing, and one that is there keeps it", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      const mute = await openMutePage(server().log(), "type:flush");
      try {
        await page.breakAt("type:create", 2);
        const answers = submitAll(guest, [flush(99), create(8)]);
        await page.until(({ heldBy }) => heldBy.includes("type:flush"));
        expect(answers()).toEqual([]);
        await page.until(({ heldBy }) => heldBy.includes("type:create"), 2500);
        expect(page.record!.breaks).toEqual(["type:create"]);
        expect(answers()).toEqual([ERR_INVALID_RESOURCE_ID]);
        page.say({ type: "clear" });
        guest.gpu.control.waitAll();
      } finally {
        mute.destroy();
      }
    }),
  ));

test("a crash of the inspector lets it go on", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      await page.breakAt("");
      const answers = submitAll(guest, [create(7)]);
      await page.untilPaused();
      expect(await server().control({ command: "kill", actor: "inspector" })).toEqual({ ok: true });
      guest.gpu.control.waitAll();
      expect(answers()).toEqual([OK_NODATA]);
    }),
  ));

test("the screen is read, the cursor moves and the device is told of while it is paused", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      const image = guest.gpu.createImage(7, Format.B8G8R8X8, 16, 16);
      guest.gpu.show(0, image);
      image.pixels.fill(0xff12_3456);
      guest.gpu.present(image);
      await page.breakAt("type:flush");
      const answers = submitAll(guest, [flush(7)]);
      await page.untilPaused();
      expectShown(guest, 0, 16, 16, new Uint32Array(256).fill(0x12_3456));
      expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: 3, y: 4 }));
      expect(await get<object[]>("/api/resources")).toMatchObject([{ id: 7 }]);
      const status = await server().control({ command: "status" });
      expect(status["scanouts"]).toContainEqual(
        expect.objectContaining({ scanout: 0, resource: expect.objectContaining({ id: 7 }) }),
      );
      expect(answers()).toEqual([]);
    }),
  ));

test("a VMM that stops its rings gets the place of the command that is kept, and goes on from there", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      expectOk(guest.gpu.createResource2d(7, Format.B8G8R8X8, 16, 16));
      await page.breakAt("type:flush");
      submitAll(guest, [flush(7)]);
      await page.untilPaused();
      const { frontend } = guest;
      frontend.setVringEnable(0, false);
      expect(frontend.getVringBase(0)).toBe(1);
      await page.until(({ next }) => next === null);
      guest.startRing(0, 1);
      frontend.setVringEnable(0, true);
      await page.until(({ next }) => next?.type === "RESOURCE_FLUSH");
      page.say({ type: "continue" });
      guest.gpu.control.waitAll();
    }),
  ));

test("memory that comes and goes changes nothing of what is kept", () =>
  withDevice({}, (guest) =>
    withPage(async (page) => {
      await page.breakAt("type:create");
      const answers = submitAll(guest, [create(7)]);
      await page.untilPaused();
      const region = guest.hotAdd({ guestAddress: 2 ** 36, size: 2 ** 20 });
      guest.hotRemove(region);
      page.say({ type: "continue" });
      guest.gpu.control.waitAll();
      expect(answers()).toEqual([OK_NODATA]);
    }),
  ));

test("a VMM that hangs up is gone at once, and the next one's first command is kept", () =>
  withPage(async (page) => {
    await withDevice({}, async (guest) => {
      await page.breakAt("type:create");
      submitAll(guest, [create(7)]);
      await page.untilPaused();
    });
    await withDevice({}, async (guest) => {
      const answers = submitAll(guest, [create(8)]);
      await page.until(({ next }) => next?.fields["resourceId"] === 8);
      page.close();
      guest.gpu.control.waitAll();
      expect(answers()).toEqual([OK_NODATA]);
      expectWorking(guest);
    });
  }));

test("a server ends in order while it is paused", async () => {
  const other = await ServerProcess.start({ args: ["--inspect", "--renderer=software"] });
  const guest = SyntheticGuest.boot(other.socketPath, { patienceMs: driverPatienceMs });
  const page = await BreakPage.open(other.log());
  try {
    await page.breakAt("");
    submitAll(guest, [create(7)]);
    await page.untilPaused();
    expect(await other.control({ command: "shutdown" })).toEqual({ ok: true });
    expect(await other.exited).toBe(0);
  } finally {
    page.close();
    guest.close();
    await other.stop();
  }
});
