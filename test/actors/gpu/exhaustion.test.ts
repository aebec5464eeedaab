// The host runs out where no command can be refused: pictures are shown later, and nothing is lost.
import { afterEach, describe, expect, test } from "bun:test";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { MemfdStorage } from "../../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import type { DisplayMessage } from "../../../src/actors/display/messages.ts";
import { attachBacking, createResource2d, flushResource, setScanout } from "../../../lab/driver/commands.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { withoutDescriptors } from "../../support/limits.ts";
import { mayLeave } from "../../support/leaks.ts";
import { QueueBench } from "../../support/queue-bench.ts";

// What the renderer's libraries print goes into a pipe that they keep.
mayLeave(/^descriptor of pipe$/);

const { OK_NODATA, ERR_OUT_OF_MEMORY } = Response;
const size = 64;
const bytes = size * size * 4;
const whole = { x: 0, y: 0, width: size, height: size };

let context: FakeContext;
let bench: QueueBench;

function begin(): void {
  context = new FakeContext("ctrl-queue", serverConfig("--renderer", "software"));
  bench = new QueueBench(context, new CtrlQueue(context), { size: 256 });
  told();
}
afterEach(() => {
  bench.tell({ type: "reset", token: 1 });
  for (const message of told()) {
    if (message.type === "drop-surface") bench.tell({ type: "surface-released", surface: message.surface });
  }
  bench.close();
  MemfdStorage.forget();
});

/** Messages to the display since the last call; their descriptors are closed. */
function told(): DisplayMessage[] {
  const messages = context.take("display");
  for (const message of messages) if ("fd" in message) closeFd(message.fd);
  return messages;
}
const toldTypes = (): string[] => told().map(({ type }) => type);

const run = (command: DataView): number => bench.command(command).type;

function make(id: number): void {
  expect(run(createResource2d(id, Format.B8G8R8X8, size, size))).toBe(OK_NODATA);
  expect(run(attachBacking(id, [bench.guest.allocate(bytes)]))).toBe(OK_NODATA);
}

/** Holds back what is shown from now on, as a display that is behind does. */
const holdBack = (): unknown => context.behind.set("display", 1000);

/** What was owed for a while is tried again. */
async function waitForRetry(): Promise<void> {
  await Bun.sleep(1100);
  bench.run();
}

describe("without descriptors", () => {
  test("a picture that cannot be shared is off, and shown when it can be", async () => {
    begin();
    make(1);
    holdBack();
    expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
    expect(toldTypes()).toEqual([]);
    context.behind.clear();
    withoutDescriptors(() => {
      expect(run(flushResource(1, whole))).toBe(OK_NODATA);
    });
    expect(toldTypes()).toEqual(["hide-scanout"]);
    expect(run(flushResource(1, whole))).toBe(OK_NODATA);
    expect(toldTypes()).toEqual([]);

    await waitForRetry();
    expect(toldTypes()).toEqual(["add-surface", "show-scanout"]);
    expect(run(flushResource(1, whole))).toBe(OK_NODATA);
    expect(toldTypes()).toEqual(["flush"]);
  });

  test("set scanout is refused where its storage cannot be made", () => {
    begin();
    make(1);
    MemfdStorage.forget();
    withoutDescriptors(() => expect(run(setScanout(0, 1, whole))).toBe(ERR_OUT_OF_MEMORY));
    expect(told()).toEqual([]);
    expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
  });

  test("a display that is new is told later", async () => {
    begin();
    make(1);
    expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
    told();
    withoutDescriptors(() => bench.returnPeer("display"));
    expect(toldTypes()).not.toContain("add-surface");
    await waitForRetry();
    const types = toldTypes();
    expect(types).toContain("add-surface");
    expect(types).toContain("show-scanout");
  });

  test("a resource and a cursor that cannot be had are refused", () => {
    begin();
    make(1);
    MemfdStorage.forget();
    withoutDescriptors(() => {
      bench.tell({ type: "ask-buffer", token: 7, resource: 1 });
    });
    expect(context.take("resource-bridge")).toMatchObject([{ type: "buffer", token: 7, fd: -1 }]);
    bench.tell({ type: "ask-buffer", token: 8, resource: 1 });
    const [lent] = context.take("resource-bridge");
    expect(lent!.type).toBe("buffer");
    if (lent!.type === "buffer") closeFd(lent!.fd);
  });
});
