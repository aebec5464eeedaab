// What storage costs a guest, and where it comes from when the best kind cannot be had.

import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { ConfigError } from "../../../src/config.ts";
import { CtrlCounter } from "../../../src/actors/gpu/counters.ts";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { Budget } from "../../../src/actors/gpu/pixels/storage/budget.ts";
import { descriptorsUsed } from "../../../src/actors/gpu/pixels/storage/descriptors.ts";
import { MemfdStorage } from "../../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import { Pool, type Poolable } from "../../../src/actors/gpu/pixels/storage/pool.ts";
import { chooseTier } from "../../../src/actors/gpu/pixels/storage/probe.ts";
import { Storage } from "../../../src/actors/gpu/pixels/storage/storage.ts";
import { Storages } from "../../../src/actors/gpu/pixels/storage/storages.ts";
import { StorageUnavailable, type Tier } from "../../../src/actors/gpu/pixels/storage/tier.ts";
import type { DisplayMessage } from "../../../src/actors/display/messages.ts";
import {
  attachBacking,
  createResource2d,
  flushResource,
  setScanout,
  transferToHost2d,
  unrefResource,
} from "../../../lab/driver/commands.ts";
import { SystemError } from "../../../src/transport/os/errors.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";
import { QueueBench } from "../../support/queue-bench.ts";
import { keptLog, storageKind } from "../../support/storage.ts";

describe("a budget", () => {
  test("has room for exactly what it was given", () => {
    const budget = new Budget(100);
    expect(budget.hasRoom(100)).toBe(true);
    expect(budget.hasRoom(101)).toBe(false);
    budget.take(60);
    expect(budget.hasRoom(40)).toBe(true);
    expect(budget.hasRoom(41)).toBe(false);
    budget.give(60);
    expect([budget.used, budget.hasRoom(100)]).toEqual([0, true]);
  });
});

describe("the pool of freed storage", () => {
  class Item implements Poolable {
    reused = 0;
    destroyed = 0;
    constructor(readonly size: number) {}
    reuse(): void {
      this.reused++;
    }
    destroy(): void {
      this.destroyed++;
    }
  }
  const kib = 1024;

  test("gives back what fits exactly, made ready for its next user", () => {
    const pool = new Pool<Item>();
    const item = new Item(8 * kib);
    expect(pool.give(item)).toBe(true);
    expect(pool.take(4 * kib)).toBeUndefined();
    expect(pool.take(8 * kib)).toBe(item);
    expect(item.reused).toBe(1);
    expect(pool.take(8 * kib)).toBeUndefined();
  });

  test("keeps 4 MiB of what is no larger than 256 KiB, and has room again for what was taken", () => {
    const pool = new Pool<Item>();
    expect(pool.give(new Item(256 * kib + 1))).toBe(false);
    for (let count = 0; count < 16; count++) expect(pool.give(new Item(256 * kib))).toBe(true);
    expect(pool.give(new Item(1))).toBe(false);
    pool.take(256 * kib);
    expect(pool.give(new Item(256 * kib))).toBe(true);
  });

  test("that is emptied has destroyed each, once", () => {
    const pool = new Pool<Item>();
    const items = [1, 1, 2].map((size) => new Item(size * kib));
    for (const item of items) pool.give(item);
    pool.empty();
    pool.empty();
    expect(items.map(({ destroyed }) => destroyed)).toEqual([1, 1, 1]);
    expect(pool.take(kib)).toBeUndefined();
  });
});

describe("storage from a driver", () => {
  /** A driver that pads: twice as much as the pixels, which no pages tell beforehand. */
  class Padded extends Storage {
    readonly fitsGpu = false;
    static freed = 0;
    constructor(
      width: number,
      height: number,
      readonly stride = width * 8,
    ) {
      super(-1, NativeMemory.allocate(Math.ceil((stride * height) / 4096) * 4096));
    }
    dmabuf(): number {
      return -1;
    }
    protected recycle(): void {
      this.memory.unmap();
      Padded.freed++;
    }
  }
  const tier = (kind: Tier["kind"], create: Tier["create"]): Tier => ({
    kind,
    description: "a test's",
    create,
    close: () => undefined,
  });
  const pads = tier("gbm", (width, height) => new Padded(width, height));
  const page = 4096;

  test("is paid for by what it takes, less what was reserved", () => {
    const budget = new Budget(4 * page);
    const storages = new Storages(pads, budget, keptLog().log);
    budget.take(page);
    const storage = storages.create(32, 32, page)!;
    expect(budget.used).toBe(2 * page);
    storage.free();
    expect(budget.used).toBe(0);
  });

  test("that turns out to be too large is freed, and nothing is paid", () => {
    const budget = new Budget(page);
    const { log, lines } = keptLog();
    const storages = new Storages(pads, budget, log);
    const freed = Padded.freed;
    expect(storages.create(32, 32, 0)).toBeNull();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^warning the guest is at a limit: no storage for 8192 bytes of pixels; --storage-bytes-max above \d+ allows more$/,
    );
    expect([budget.used, Padded.freed]).toEqual([0, freed + 1]);
  });

  test("that cannot fit is not asked for", () => {
    const asked: number[] = [];
    const counts = tier("gbm", (width, height) => {
      asked.push(width);
      return new Padded(width, height);
    });
    const storages = new Storages(counts, new Budget(page), keptLog().log);
    expect(storages.create(64, 64, 0)).toBeNull();
    expect(asked).toEqual([]);
  });

  test("that a driver does not make is a memfd, and the log says so", () => {
    const refuses = tier("gbm", () => {
      throw new StorageUnavailable("the driver is full");
    });
    const budget = new Budget(4 * page);
    const { log, lines } = keptLog();
    const storages = new Storages(refuses, budget, log);
    const storage = storages.create(32, 32, 0)!;
    expect(storage).toBeInstanceOf(MemfdStorage);
    expect(budget.used).toBe(page);
    expect(lines).toEqual(["warning 32x32 pixels go into a memfd: the driver is full"]);
    storage.free();
    expect(budget.used).toBe(0);
  });

  test("that no tier makes costs nothing", () => {
    const refuses = tier("memfd", () => {
      throw new SystemError("mmap", 12, "mapping 4096 bytes");
    });
    const budget = new Budget(4 * page);
    const { log, lines } = keptLog();
    expect(new Storages(refuses, budget, log).create(1, 1, 0)).toBeNull();
    expect(budget.used).toBe(0);
    expect(lines).toEqual(["warning no storage for 1x1 pixels: mapping 4096 bytes: mmap failed with ENOMEM"]);
  });

  test("whose maker has a bug is no exhaustion, and goes up", () => {
    const fails = tier("gbm", () => {
      throw new TypeError("a bug");
    });
    const storages = new Storages(fails, new Budget(4 * page), keptLog().log);
    expect(() => storages.create(1, 1, 0)).toThrow("a bug");
  });
});

describe("the choice of storage", () => {
  function choose(...flags: string[]): { kind: string; lines: string[] } {
    const { log, lines } = keptLog();
    const tier = chooseTier(serverConfig(...flags), log);
    tier.close();
    MemfdStorage.forget();
    return { kind: tier.kind, lines };
  }
  const inMemfds = "info 2D resources are kept in memfds";

  test("--storage memfd is memfds, without a look at anything else", () => {
    expect(choose("--storage", "memfd")).toEqual({ kind: "memfd", lines: [inMemfds] });
  });

  /** What is wrong with settings that ask for what cannot be had. */
  function mistake(...flags: string[]): string {
    try {
      choose(...flags);
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return "";
  }

  test("--storage gbm on a node that is not there is a mistake in the settings", () => {
    const before = openFds();
    expect(mistake("--storage", "gbm", "--render-node", "/dev/dri/renderD999")).toStartWith(
      "--storage gbm cannot be had: /dev/dri/renderD999 cannot be used (ENOENT",
    );
    expect(openFds()).toBe(before);
  });

  test("--storage gbm on what is no DRM node is a mistake, and leaves it closed", () => {
    const before = openFds();
    expect(mistake("--storage", "gbm", "--render-node", "/dev/zero")).toStartWith(
      "--storage gbm cannot be had: /dev/zero cannot be used (",
    );
    expect(openFds()).toBe(before);
  });

  const nodes = existsSync("/dev/dri")
    ? readdirSync("/dev/dri").filter((name) => name.startsWith("renderD"))
    : [];
  if (nodes.length === 0) {
    test("--storage gbm without any render node says so", () => {
      const { FENCEPOST_RENDER_NODE } = process.env;
      delete process.env["FENCEPOST_RENDER_NODE"];
      const text = mistake("--storage", "gbm");
      if (FENCEPOST_RENDER_NODE !== undefined) process.env["FENCEPOST_RENDER_NODE"] = FENCEPOST_RENDER_NODE;
      expect(text).toBe(
        "--storage gbm cannot be had: /dev/dri has no render node: is a GPU there, and its driver loaded?",
      );
    });
  }

  test("--storage auto takes something, and warns of nothing", () => {
    const { kind, lines } = choose("--storage", "auto", "--render-node", "/dev/dri/renderD999");
    expect(["udmabuf", "memfd"]).toContain(kind);
    expect(lines.filter((line) => line.startsWith("warning"))).toEqual([]);
    expect(lines.at(-1)).toStartWith("info 2D resources are kept in memfds");
  });
});

describe("a device", () => {
  const { OK_NODATA, ERR_OUT_OF_MEMORY } = Response;
  const size = 64;
  const whole = { x: 0, y: 0, width: size, height: size };
  let context: FakeContext;
  let bench: QueueBench;

  function begin(...flags: string[]): void {
    context = new FakeContext("ctrl-queue", serverConfig(...flags));
    bench = new QueueBench(context, new CtrlQueue(context));
    told();
  }
  afterEach(() => bench?.close());

  /** Messages to the display since the last call; their descriptors are closed. */
  function told(): DisplayMessage[] {
    const messages = context.take("display");
    for (const message of messages) if ("fd" in message) closeFd(message.fd);
    return messages;
  }

  const run = (command: DataView): number => bench.command(command).type;
  const storageBytes = (): number => context.counters[CtrlCounter.storageBytes]!;

  function make(id: number, width = size, height = size): void {
    const buffer = bench.guest.allocate(width * height * 4);
    expect(run(createResource2d(id, Format.B8G8R8X8, width, height))).toBe(OK_NODATA);
    expect(run(attachBacking(id, [buffer]))).toBe(OK_NODATA);
  }

  /** Shows a resource; answers the display's name for it. */
  function show(id: number): number {
    expect(run(setScanout(0, id, whole))).toBe(OK_NODATA);
    const surface = told().find(({ type }) => type === "add-surface" || type === "add-dmabuf-surface");
    return (surface as Extract<DisplayMessage, { type: "add-surface" }>).surface;
  }

  test("counts what the display gives back while no ring runs", () => {
    begin();
    make(1);
    const surface = show(1);
    bench.stopRing();
    bench.tell({ type: "reset", token: bench.nextToken() });
    expect(storageBytes()).toBeGreaterThanOrEqual(size * size * 4);
    bench.tell({ type: "surface-released", surface });
    expect(storageBytes()).toBe(0);
  });

  test("whose display holds all that the guest may have answers OUT_OF_MEMORY until that is given back", () => {
    begin("--storage-bytes-max", String(size * size * 4 + 4096));
    make(1);
    const surface = show(1);
    expect(run(unrefResource(1))).toBe(OK_NODATA);
    expect(run(createResource2d(2, Format.B8G8R8X8, size, size))).toBe(ERR_OUT_OF_MEMORY);
    bench.tell({ type: "surface-released", surface });
    make(2);
    expect(run(transferToHost2d(2, whole, 0))).toBe(OK_NODATA);
  });

  test("that runs out loses nothing of what it has", () => {
    begin("--storage-bytes-max", String(3 * size * size * 4));
    for (const id of [1, 2, 3]) {
      make(id);
      expect(run(transferToHost2d(id, whole, 0))).toBe(OK_NODATA);
    }
    const before = storageBytes();
    expect(run(createResource2d(4, Format.B8G8R8X8, size, size))).toBe(ERR_OUT_OF_MEMORY);
    expect(storageBytes()).toBe(before);
    for (const id of [1, 2, 3]) {
      expect(run(transferToHost2d(id, whole, 0))).toBe(OK_NODATA);
      expect(run(setScanout(0, id, whole))).toBe(OK_NODATA);
      expect(run(flushResource(id, whole))).toBe(OK_NODATA);
    }
    expect(run(unrefResource(2))).toBe(OK_NODATA);
  });

  test("lends a display its storage as a dma-buf where that is one, and counts the descriptor until it is back", () => {
    begin();
    bench.tell({ type: "sinks-changed", dmabuf: true, modifiers: true });
    make(1);
    expect(run(transferToHost2d(1, whole, 0))).toBe(OK_NODATA);
    MemfdStorage.forget();
    const before = descriptorsUsed();
    expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
    const [surface] = told();
    expect(surface!.type).toBe(storageKind === "memfd" ? "add-surface" : "add-dmabuf-surface");
    expect(descriptorsUsed() - before).toBe({ memfd: 0, udmabuf: 2, gbm: 1 }[storageKind]);
    expect(run(unrefResource(1))).toBe(OK_NODATA);
    const { surface: id } = surface as Extract<DisplayMessage, { type: "add-surface" }>;
    bench.tell({ type: "surface-released", surface: id });
    bench.tell({ type: "surface-released", surface: id });
    MemfdStorage.forget();
    expect(descriptorsUsed()).toBe(before - 1);
  });

  test("whose display crashes with dma-bufs counts none of them twice", () => {
    begin();
    bench.tell({ type: "sinks-changed", dmabuf: true, modifiers: true });
    MemfdStorage.forget();
    const before = descriptorsUsed();
    for (const id of [1, 2, 3]) {
      make(id);
      show(id);
    }
    bench.returnPeer("display");
    const dropped = context.take("display");
    for (const message of dropped) {
      if ("fd" in message) closeFd(message.fd);
      if (message.type === "drop-surface") bench.tell({ type: "surface-released", surface: message.surface });
    }
    for (const id of [1, 2, 3]) expect(run(unrefResource(id))).toBe(OK_NODATA);
    for (const message of told()) {
      if (message.type === "drop-surface") bench.tell({ type: "surface-released", surface: message.surface });
    }
    MemfdStorage.forget();
    expect(descriptorsUsed()).toBe(before);
  });
});
