// A renderer that fails where no guest can make the real one fail: what the guest is told, and that nothing else changes.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CtrlQueue } from "../../../../src/actors/gpu/ctrl-queue.ts";
import { MemfdStorage } from "../../../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import { EFAULT, EINVAL, EIO, ENOMEM } from "../../../../src/ffi/libc.ts";
import { closeFd } from "../../../../src/transport/os/fds.ts";
import { Feature, Format, Response } from "../../../../src/transport/wire/virtio-gpu/protocol.ts";
import * as commands from "../../../../lab/driver/commands.ts";
import * as commands3d from "../../../../lab/driver/commands-3d.ts";
import { FakeContext } from "../../../support/fake-context.ts";
import { QueueBench } from "../../../support/queue-bench.ts";
import { ScriptedRenderer } from "../../../support/scripted-renderer.ts";

const { OK_NODATA, ERR_INVALID_PARAMETER, ERR_OUT_OF_MEMORY, ERR_UNSPEC } = Response;
const size = 16;
const bytes = size * size * 4;
const whole = { x: 0, y: 0, width: size, height: size };
const box = { x: 0, y: 0, z: 0, width: size, height: size, depth: 1 };
const picture = { resourceId: 1, target: 2, format: Format.B8G8R8A8, bind: 10, width: size, height: size };
const noOperation = new Uint8Array(4);

let context: FakeContext;
let bench: QueueBench;
let renderer: ScriptedRenderer;

beforeEach(() => {
  context = new FakeContext("ctrl-queue");
  const queue = new CtrlQueue(context, (_config, _log, arena) => (renderer = new ScriptedRenderer(arena)));
  bench = new QueueBench(context, queue);
  bench.tell(bench.ringStart({ features: (1 << Feature.VIRGL) | (1 << Feature.CONTEXT_INIT) }));
});
afterEach(() => {
  for (const message of context.take("display")) if ("fd" in message) closeFd(message.fd);
  bench.tell({ type: "reset", token: 1 });
  for (const message of context.take("display")) {
    if (message.type === "drop-surface") bench.tell({ type: "surface-released", surface: message.surface });
  }
  bench.close();
  MemfdStorage.forget();
});

const run = (command: DataView): number => bench.command(command).type;
const expectOk = (command: DataView): void => expect(run(command)).toBe(OK_NODATA);

/** Resource 1 in 2D, with backing in which every byte is `fill`. */
function make2d(fill = 7): Uint8Array {
  const backing = bench.guest.allocate(bytes);
  backing.bytes.fill(fill);
  expectOk(commands.createResource2d(1, Format.B8G8R8A8, size, size));
  expectOk(commands.attachBacking(1, [backing]));
  expectOk(commands.transferToHost2d(1, whole, 0));
  return backing.bytes;
}

describe("what the guest is told", () => {
  test("a context that cannot be made is out of memory, and can be made later", () => {
    renderer.fail("createContext", EIO);
    expect(run(commands3d.createContext(1))).toBe(ERR_OUT_OF_MEMORY);
    expectOk(commands3d.createContext(1));
  });

  for (const [errno, code] of [
    [ENOMEM, ERR_OUT_OF_MEMORY],
    [EINVAL, ERR_INVALID_PARAMETER],
    [EIO, ERR_UNSPEC],
  ] as const) {
    test(`a resource that fails with errno ${errno} is told by its code, and its id stays free`, () => {
      renderer.fail("createResource", errno);
      expect(run(commands3d.createResource3d(picture))).toBe(code);
      expectOk(commands3d.createResource3d(picture));
    });
  }

  for (const [errno, code] of [
    [ENOMEM, ERR_OUT_OF_MEMORY],
    [EINVAL, ERR_INVALID_PARAMETER],
    [EFAULT, ERR_UNSPEC],
  ] as const) {
    test(`a transfer that fails with errno ${errno} is told by its code, and costs no context`, () => {
      expectOk(commands3d.createContext(1));
      expectOk(commands3d.createResource3d(picture));
      expectOk(commands3d.attachResource(1, 1));
      expectOk(commands.attachBacking(1, [bench.guest.allocate(bytes)]));
      renderer.fail("transfer", errno);
      expect(run(commands3d.transferFromHost3d(1, 1, { box }))).toBe(code);
      expectOk(commands3d.transferFromHost3d(1, 1, { box }));
    });
  }

  test("a backing that there is no room for is out of memory, and another can be attached", () => {
    expectOk(commands3d.createResource3d(picture));
    renderer.fail("attachBacking", ENOMEM);
    const backing = [bench.guest.allocate(bytes)];
    expect(run(commands.attachBacking(1, backing))).toBe(ERR_OUT_OF_MEMORY);
    expectOk(commands.attachBacking(1, backing));
    expectOk(commands3d.transferToHost3d(0, 1, { box }));
  });

  test("a stream that makes no sense costs its context", () => {
    expectOk(commands3d.createContext(1));
    renderer.fail("submit", EINVAL);
    expect(run(commands3d.submit3d(1, noOperation))).toBe(ERR_INVALID_PARAMETER);
    expect(run(commands3d.submit3d(1, noOperation))).toBe(ERR_UNSPEC);
    expect(context.logged.map(({ text }) => text)).toContain(
      "context 1 is lost: the renderer refused its command stream",
    );
  });

  test("a stream that there is no room for costs no context", () => {
    expectOk(commands3d.createContext(1));
    renderer.fail("submit", ENOMEM);
    expect(run(commands3d.submit3d(1, noOperation))).toBe(ERR_OUT_OF_MEMORY);
    expectOk(commands3d.submit3d(1, noOperation));
    expect(renderer.submitted).toEqual([{ context: 1, words: new Uint32Array(1) }]);
  });

  test("a fence that cannot be made is an error, and the next command is answered", () => {
    expectOk(commands3d.createContext(1));
    renderer.fail("createFence", EIO);
    const fenced = { fenceId: 5n };
    expect(bench.command(commands3d.submit3d(1, noOperation, fenced))).toMatchObject({
      type: ERR_UNSPEC,
      fenceId: 5n,
    });
    expect(run(commands3d.submit3d(1, noOperation, { fenceId: 6n }))).toBe(OK_NODATA);
  });
});

describe("a resource that the renderer does not take", () => {
  for (const what of ["createResource", "copyPixels"] as const) {
    test(`because of ${what} stays what it was`, () => {
      const backing = make2d();
      expectOk(commands3d.createContext(1));
      renderer.fail(what, ENOMEM);
      expect(run(commands3d.attachResource(1, 1))).toBe(ERR_OUT_OF_MEMORY);
      expect(renderer.has(1)).toBe(false);
      backing.fill(9);
      expectOk(commands.transferToHost2d(1, whole, 0));
      expectOk(commands.setScanout(0, 1, whole));
      expectOk(commands3d.attachResource(1, 1));
      expect(renderer.has(1)).toBe(true);
      backing.fill(0);
      expectOk(commands3d.transferFromHost3d(1, 1, { box }));
      expect(backing.every((byte) => byte === 9)).toBe(true);
    });
  }
});

describe("a picture that cannot be read back", () => {
  test("is logged, and shown by the next flush", () => {
    make2d();
    expectOk(commands.setScanout(0, 1, whole));
    expectOk(commands3d.createContext(1));
    expectOk(commands3d.attachResource(1, 1));
    expectOk(commands3d.transferToHost3d(1, 1, { box }));
    renderer.fail("copyPixels", EIO);
    expectOk(commands.flushResource(1, whole));
    expect(context.logged.map(({ text }) => text)).toContain(`resource 1 cannot be read back (errno ${EIO})`);
    expectOk(commands3d.transferToHost3d(1, 1, { box }));
    expectOk(commands.flushResource(1, whole));
  });
});

test("commands that wait for a renderer that is stuck are answered when the ring stops", () => {
  expectOk(commands3d.createContext(1));
  renderer.isStuck = true;
  const head = bench.offer(commands3d.submit3d(1, noOperation, { fenceId: 5n }));
  bench.run();
  expect(bench.takeAnswer(head)).toBeNull();
  bench.stopRing();
  bench.collect();
  expect(bench.takeAnswer(head)).toMatchObject({ type: OK_NODATA, fenceId: 5n });
});
