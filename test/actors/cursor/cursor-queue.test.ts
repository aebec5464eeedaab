// The cursor queue without its worker: what it answers the guest, asks the ctrl queue and tells the display.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CursorQueue } from "../../../src/actors/cursor/cursor-queue.ts";
import { slotsPerScanout } from "../../../src/actors/gpu/manifest.ts";
import { getDisplayInfo, moveCursor, request, updateCursor } from "../../../lab/driver/commands.ts";
import { Command, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { limitsAreTold, limitTest } from "../../support/limit-test.ts";
import { FakeContext } from "../../support/fake-context.ts";
import { QueueBench } from "../../support/queue-bench.ts";

let context: FakeContext;
let bench: QueueBench;
beforeEach(() => {
  context = new FakeContext("cursor-queue");
  bench = new QueueBench(context, new CursorQueue(context), { size: 256 });
  bench.plugAll();
  context.sent.length = 0;
});
afterEach(() => bench.close());

const at = (scanoutId: number, x = 0, y = 0) => ({ scanoutId, x, y });

/** What was asked of the ctrl queue since the last call. */
const asked = () => context.take("ctrl-queue").filter((message) => message.type === "ask-cursor-image");

test("a successor takes no answer to what its predecessor asked", () => {
  bench.offer(updateCursor(at(0), 1));
  bench.run();
  const late = asked()[0]!.token;
  const next = new FakeContext("cursor-queue", undefined, context.keep);
  const successor = new QueueBench(next, new CursorQueue(next), { size: 256 });
  const head = successor.offer(updateCursor(at(0), 2));
  successor.run();

  successor.tell({ type: "cursor-image", token: late, error: 0, isNew: true });
  successor.collect();
  expect(successor.takeAnswer(head)).toBeNull();
  successor.close();
});

describe("a successor tells the display", () => {
  /** What it is told at once of scanout 0. */
  function told(): unknown[] {
    const next = new FakeContext("cursor-queue", undefined, context.keep);
    const successor = new QueueBench(next, new CursorQueue(next), { size: 256 });
    const messages = next.take("display");
    successor.close();
    return messages;
  }

  test("of a cursor that its predecessor has answered for", () => {
    show(0, 7, 8);
    const { slot } = context.take("display").find(({ type }) => type === "show-cursor") as { slot: number };
    bench.command(moveCursor(at(0, -5, 60), 1));
    expect(told()).toEqual([{ type: "show-cursor", scanout: 0, slot, x: -5, y: 60, hotX: 3, hotY: 4 }]);
  });

  test("of one that was hidden, which nobody else knows", () => {
    show(0);
    bench.command(moveCursor(at(0, 3, 4), 0));
    expect(told()).toEqual([{ type: "hide-cursor", scanout: 0, x: 3, y: 4 }]);
  });

  test("nothing of scanouts that never had any", () => {
    expect(told()).toEqual([]);
  });
});

function image(token: number, error = 0, isNew = error === 0): void {
  bench.tell({ type: "cursor-image", token, error, isNew });
  bench.run();
}

/** Shows resource 1 on `scanout`. */
function show(scanout: number, x = 0, y = 0): void {
  const head = bench.offer(updateCursor(at(scanout, x, y), 1, 3, 4));
  bench.run();
  image(asked()[0]!.token);
  expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
}

describe("moves", () => {
  test("a move is told to the display and answered at once", () => {
    expect(bench.command(moveCursor(at(2, 30, 40), 1)).type).toBe(Response.OK_NODATA);

    expect(context.take("display")).toEqual([{ type: "move-cursor", scanout: 2, x: 30, y: 40 }]);
    expect(asked()).toEqual([]);
  });

  test("a move is answered before the display is told", () => {
    const used = bench.driver.used.data;
    const before = used.getUint16(2, true);
    const answers: number[] = [];
    context.onSend = () => answers.push(used.getUint16(2, true) - before);
    for (let x = 0; x < 5; x++) bench.offer(moveCursor(at(0, x, 0), 1));
    bench.run();

    expect(answers).toEqual([5]);
  });

  test("positions are signed", () => {
    bench.command(moveCursor(at(0, 0xffff_ffff, 0x8000_0000), 1));

    expect(context.take("display")).toEqual([{ type: "move-cursor", scanout: 0, x: -1, y: -0x8000_0000 }]);
  });

  test("a move without room for an answer is done all the same", () => {
    expect(bench.command(moveCursor(at(0, 1, 1), 1), 0).length).toBe(0);

    expect(context.take("display")).toHaveLength(1);
  });

  test("moves that the display has not taken are merged, per scanout", () => {
    context.behind.set("display", 1000);
    for (let x = 1; x <= 50; x++) {
      bench.command(moveCursor(at(0, x, 0), 1));
      bench.command(moveCursor(at(15, 0, x), 1));
    }
    expect(context.take("display")).toEqual([]);

    context.behind.set("display", 0);
    bench.command(moveCursor(at(0, 99, 0), 1));

    expect(context.take("display")).toEqual([
      { type: "move-cursor", scanout: 0, x: 99, y: 0 },
      { type: "move-cursor", scanout: 15, x: 0, y: 50 },
    ]);
  });

  test("what was held back is sent when the display has caught up, though nothing else happens", () => {
    context.behind.set("display", 1000);
    bench.command(moveCursor(at(0, 7, 8), 1));
    context.behind.set("display", 64);
    while (context.timers.timeout() > 0) context.epoll.wait(context.timers.timeout());

    bench.run();

    expect(context.take("display")).toEqual([{ type: "move-cursor", scanout: 0, x: 7, y: 8 }]);
    expect(context.timers.timeout()).toBe(-1);
  });
});

describe("images", () => {
  test("an update is answered when the image has come, and shown then", () => {
    const head = bench.offer(updateCursor(at(1, 10, 20), 7, 3, 4, { fenceId: 2n ** 40n }));
    bench.run();
    const [ask] = asked();
    expect(ask).toMatchObject({ resource: 7 });
    expect(bench.takeAnswer(head)).toBeNull();
    expect(context.take("display")).toEqual([]);

    image(ask!.token);

    expect(bench.takeAnswer(head)).toMatchObject({ type: Response.OK_NODATA, fenceId: 2n ** 40n });
    expect(context.take("display")).toEqual([
      { type: "show-cursor", scanout: 1, slot: ask!.slot, x: 10, y: 20, hotX: 3, hotY: 4 },
    ]);
  });

  test("an image that cannot be had answers its error and shows nothing", () => {
    const head = bench.offer(updateCursor(at(0), 7));
    bench.run();
    image(asked()[0]!.token, Response.ERR_INVALID_RESOURCE_ID);

    expect(bench.takeAnswer(head)!.type).toBe(Response.ERR_INVALID_RESOURCE_ID);
    expect(context.take("display")).toEqual([]);
    expect(context.logged[0]!.text).toBe("no cursor image in resource 7");
  });

  test("each scanout takes its own slots in turn", () => {
    const slots = [0, 0, 0, 0, 0, 15, 15].map((scanout) => {
      bench.offer(updateCursor(at(scanout), 1));
      bench.run();
      const [ask] = asked();
      image(ask!.token);
      return ask!.slot;
    });

    expect(slots).toEqual([0, 1, 2, 3, 0, 15 * slotsPerScanout, 15 * slotsPerScanout + 1]);
  });

  test("a move overtakes an image, which is shown at the new place", () => {
    bench.offer(updateCursor(at(0, 1, 1), 1));
    bench.run();
    expect(bench.command(moveCursor(at(0, 50, 60), 1)).type).toBe(Response.OK_NODATA);
    context.take("display");

    image(asked()[0]!.token);

    expect(context.take("display")).toMatchObject([{ type: "show-cursor", x: 50, y: 60 }]);
  });

  test("the last of several images stays", () => {
    const heads = [1, 2, 3].map((resource) => bench.offer(updateCursor(at(0), resource)));
    bench.run();
    const asks = asked();
    for (const ask of asks) image(ask.token);

    expect(context.take("display").at(-1)).toMatchObject({ type: "show-cursor", slot: asks[2]!.slot });
    for (const head of heads) expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
  });

  test("an answer to no question is ignored, also the second to one", () => {
    show(0);
    context.take("display");

    image(12345);
    image(1);

    expect(context.take("display")).toEqual([]);
    expect(bench.answers).toEqual([]);
  });

  limitsAreTold(() => context.logged.map(({ text }) => text).join("\n"));

  limitTest("cursorImagesMax", "a flood of images is refused beyond what may be under way", () => {
    const heads = Array.from({ length: 70 }, () => bench.offer(updateCursor(at(0), 1)));
    bench.run();

    const refused = heads.map((head) => bench.takeAnswer(head)).filter((answer) => answer !== null);
    expect(refused.map(({ type }) => type)).toEqual(
      Array.from({ length: 6 }, () => Response.ERR_OUT_OF_MEMORY),
    );
    expect(bench.command(moveCursor(at(1), 0)).type).toBe(Response.OK_NODATA);
    for (const ask of asked()) image(ask.token);
    expect(bench.answers).toHaveLength(64);
  });
});

describe("hiding", () => {
  test("resource zero hides at the place that it names", () => {
    show(3);
    context.take("display");

    expect(bench.command(updateCursor(at(3, 5, 6), 0)).type).toBe(Response.OK_NODATA);

    expect(context.take("display")).toEqual([{ type: "hide-cursor", scanout: 3, x: 5, y: 6 }]);
  });

  test("an image under way does not show again what was hidden meanwhile", () => {
    const head = bench.offer(updateCursor(at(0), 1, 0, 0, { fenceId: 5n }));
    bench.run();
    const [ask] = asked();

    const hidden = bench.command(updateCursor(at(0), 0, 0, 0, { fenceId: 6n, contextId: 9 }));
    image(ask!.token);

    expect(hidden).toMatchObject({ type: Response.OK_NODATA, fenceId: 6n, contextId: 9 });
    expect(bench.takeAnswer(head)).toMatchObject({ type: Response.OK_NODATA, fenceId: 5n });
    expect(context.take("display")).toMatchObject([{ type: "hide-cursor" }]);
  });

  test("hiding one scanout's cursor leaves another's image under way", () => {
    const head = bench.offer(updateCursor(at(1), 1));
    bench.run();
    bench.command(updateCursor(at(0), 0));
    context.take("display");

    image(asked()[0]!.token);

    expect(bench.takeAnswer(head)).not.toBeNull();
    expect(context.take("display")).toMatchObject([{ type: "show-cursor", scanout: 1 }]);
  });

  test("what is held back is merged to the last: shown and hidden is hidden, hidden and shown is shown", () => {
    context.behind.set("display", 1000);
    show(0);
    bench.command(updateCursor(at(0, 9, 9), 0));
    bench.command(updateCursor(at(1), 0));
    show(1, 4, 4);
    bench.command(moveCursor(at(1, 5, 5), 1));

    context.behind.clear();
    bench.command(moveCursor(at(2), 1));

    expect(context.take("display")).toMatchObject([
      { type: "hide-cursor", scanout: 0, x: 9, y: 9 },
      { type: "show-cursor", scanout: 1, x: 5, y: 5 },
      { type: "move-cursor", scanout: 2 },
    ]);
  });
});

describe("a move with resource zero", () => {
  test("hides, and one with a resource shows again what was hidden", () => {
    show(3);
    context.take("display");

    expect(bench.command(moveCursor(at(3, 5, 6), 0)).type).toBe(Response.OK_NODATA);
    expect(context.take("display")).toEqual([{ type: "hide-cursor", scanout: 3, x: 5, y: 6 }]);
    expect(bench.command(moveCursor(at(3, 9, 9), 77)).type).toBe(Response.OK_NODATA);

    const shown = { type: "show-cursor", scanout: 3, x: 9, y: 9, hotX: 3, hotY: 4 };
    expect(context.take("display").at(-1)).toMatchObject(shown);
  });

  test("is undone by a move with a resource where an update hid it too", () => {
    show(0);
    bench.command(updateCursor(at(0), 0));
    context.take("display");

    bench.command(moveCursor(at(0, 1, 2), 1));

    expect(context.take("display").at(-1)).toMatchObject({ type: "show-cursor", x: 1, y: 2 });
  });

  test("has nothing to hide before the first image, and a move with one nothing to show", () => {
    bench.command(moveCursor(at(0, 1, 1), 0));
    bench.command(moveCursor(at(0, 2, 2), 9));

    expect(context.take("display").map(({ type }) => type)).toEqual(["hide-cursor", "move-cursor"]);
  });

  test("hides the image that is under way, which a later move shows", () => {
    show(0);
    bench.offer(updateCursor(at(0), 2, 5, 6));
    bench.run();
    const [ask] = asked();
    bench.command(moveCursor(at(0), 0));
    context.take("display");
    image(ask!.token);
    expect(context.take("display")).toEqual([]);

    bench.command(moveCursor(at(0, 1, 1), 2));

    expect(context.take("display").at(-1)).toMatchObject({ type: "show-cursor", slot: ask!.slot, hotX: 5 });
  });

  test("does not show the image before one that is under way", () => {
    show(0);
    bench.command(moveCursor(at(0), 0));
    bench.offer(updateCursor(at(0), 2));
    bench.run();
    const [ask] = asked();
    bench.command(moveCursor(at(0), 0));
    context.take("display");

    bench.command(moveCursor(at(0, 4, 4), 2));
    expect(context.take("display").map(({ type }) => type)).toEqual(["move-cursor"]);
    image(ask!.token);

    expect(context.take("display")).toMatchObject([{ type: "show-cursor", slot: ask!.slot, x: 4, y: 4 }]);
  });

  test("and one with a resource show the image before one that failed", () => {
    show(0);
    bench.command(moveCursor(at(0), 0));
    bench.offer(updateCursor(at(0), 2));
    bench.run();
    bench.command(moveCursor(at(0, 4, 4), 2));
    context.take("display");

    image(asked()[0]!.token, Response.ERR_INVALID_RESOURCE_ID);

    expect(context.take("display")).toMatchObject([{ type: "show-cursor", x: 4, y: 4, hotX: 3 }]);
  });
});

describe("an update with a picture that is no cursor", () => {
  test("keeps the image, takes hot spot and place, and shows the cursor", () => {
    show(1);
    const { slot } = context.take("display").find(({ type }) => type === "show-cursor") as { slot: number };
    bench.command(updateCursor(at(1), 0));
    const head = bench.offer(updateCursor(at(1, 30, 40), 2, 8, 9));
    bench.run();
    context.take("display");

    image(asked()[0]!.token, 0, false);

    expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
    expect(context.take("display")).toEqual([
      { type: "show-cursor", scanout: 1, slot, x: 30, y: 40, hotX: 8, hotY: 9 },
    ]);
  });

  test("shows nothing where there was no image", () => {
    const head = bench.offer(updateCursor(at(1, 30, 40), 2, 8, 9));
    bench.run();

    image(asked()[0]!.token, 0, false);

    expect(bench.takeAnswer(head)!.type).toBe(Response.OK_NODATA);
    expect(context.take("display")).toEqual([]);
  });
});

describe("mistakes", () => {
  test("a scanout that no device has is refused", () => {
    for (const scanout of [16, 22, 0xffff_ffff]) {
      expect(bench.command(moveCursor(at(scanout), 1)).type).toBe(Response.ERR_INVALID_SCANOUT_ID);
      expect(bench.command(updateCursor(at(scanout), 0)).type).toBe(Response.ERR_INVALID_SCANOUT_ID);
      expect(bench.command(updateCursor(at(scanout), 1)).type).toBe(Response.ERR_INVALID_SCANOUT_ID);
    }
    expect(context.sent.filter(({ to }) => to !== "supervisor" && to !== "vhost-session")).toEqual([]);
  });

  test("a command that is too short is refused", () => {
    for (const type of [Command.MOVE_CURSOR, Command.UPDATE_CURSOR]) {
      expect(bench.command(request(type, 55)).type).toBe(Response.ERR_UNSPEC);
      expect(bench.command(request(type, 24)).type).toBe(Response.ERR_UNSPEC);
    }
  });

  test("commands of the ctrl queue are refused here, with their fences", () => {
    expect(bench.command(getDisplayInfo({ fenceId: 3n }))).toMatchObject({
      type: Response.ERR_UNSPEC,
      fenceId: 3n,
    });
  });
});

describe("the life of the ring", () => {
  test("stopping answers the images under way, and forgets them", () => {
    const head = bench.offer(updateCursor(at(0), 1));
    bench.run();
    const [ask] = asked();

    expect(bench.stopRing()).toBe(1);
    bench.collect();
    image(ask!.token);

    expect(bench.takeAnswer(head)!.type).toBe(Response.ERR_UNSPEC);
    expect(context.take("display")).toEqual([]);
  });

  test("a driver that starts anew finds every cursor hidden", () => {
    show(0);
    show(2, 5, 6);
    context.take("display");
    bench.stopRing();
    bench.driver.reset(0);

    bench.ask(bench.ringStart());
    bench.run();

    const hidden = [
      { type: "hide-cursor", scanout: 0 },
      { type: "hide-cursor", scanout: 2 },
    ];
    expect(context.take("display")).toMatchObject(hidden);
    bench.returnPeer("display");
    expect(context.take("display")).toMatchObject(hidden);
  });

  test("a paused driver that goes on keeps its cursor", () => {
    show(0);
    context.take("display");
    const base = bench.stopRing();
    bench.ask(bench.ringStart({ base }));

    expect(context.take("display")).toEqual([]);
    bench.returnPeer("display");
    expect(context.take("display")).toMatchObject([{ type: "show-cursor", scanout: 0 }]);
  });

  test("a restored display is told every cursor that there was, where it is now", () => {
    show(0, 1, 1);
    show(4, 2, 2);
    show(5);
    bench.command(updateCursor(at(5), 0));
    bench.command(moveCursor(at(0, 70, 80), 1));
    context.take("display");

    bench.returnPeer("display");

    expect(context.take("display")).toMatchObject([
      { type: "show-cursor", scanout: 0, x: 70, y: 80, hotX: 3, hotY: 4 },
      { type: "show-cursor", scanout: 4, x: 2, y: 2 },
      { type: "hide-cursor", scanout: 5 },
    ]);
  });

  test("the display is told by the time that the queue sleeps", () => {
    context.behind.set("display", 65);
    bench.command(moveCursor(at(0, 1, 2), 1));
    context.behind.set("display", 64);

    bench.run();
    bench.offer(updateCursor(at(9), 1));
    bench.run();

    expect(context.take("display")).toEqual([{ type: "move-cursor", scanout: 0, x: 1, y: 2 }]);
  });
});
