// The actor loop in real threads: no message is lost, doubled or reordered, and no sleeper is left asleep.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { compileAll } from "../../../src/actors/machines/index.ts";
import type { ActorName, WorkerName } from "../../../src/actors/registry.ts";
import type { LineEnd } from "../../../src/actors/runtime/lines/line.ts";
import { lineEnds, portsOf } from "../../../src/actors/runtime/lines/open.ts";
import { Mailbox } from "../../../src/actors/runtime/mailbox.ts";
import { SharedWords, slotOf } from "../../../src/actors/runtime/shared-words.ts";
import { closeFd, createEventfd } from "../../../src/transport/os/fds.ts";
import { serverConfig } from "../../support/fake-context.ts";
import type { Order } from "./test-worker.ts";

const a = "display";
const b = "fence-poller";
type Name = typeof a | typeof b;
const machines = compileAll();
const config = { ...serverConfig(), checkMessages: false };

/** A supervisor and two actors, linked as ActorHost links them. */
class World {
  readonly words = SharedWords.create();
  readonly bells: Record<string, number> = { [a]: createEventfd(), [b]: createEventfd() };
  readonly mailbox = new Mailbox("supervisor", this.words, this.bells);
  readonly workers = new Map<Name, Worker>();
  private readonly closed = new Map<Name, Promise<void>>();
  readonly errors: string[] = [];
  private readonly said: { from: Name; message: Record<string, unknown> }[] = [];
  private readonly waiting: {
    matches: (one: { from: Name; message: Record<string, unknown> }) => boolean;
    resolve: (message: Record<string, unknown>) => void;
  }[] = [];

  constructor(readonly kind: LineEnd["kind"]) {}

  start(): void {
    const [end, otherEnd] = lineEnds(this.kind);
    this.spawn(a, [[b, end]]);
    this.spawn(b, [[a, otherEnd]]);
  }

  spawn(name: Name, ends: [ActorName, LineEnd][]): void {
    const { port1, port2 } = new MessageChannel();
    this.mailbox.link(name, { kind: "port", port: port1 });
    port1.onmessage = ({ data: message }) => {
      if (message["type"] === "crashed") this.errors.push(message["reason"] as string);
      const state =
        message["type"] === "description" ? (message["state"] as Record<string, unknown>) : message;
      const one = { from: name, message: state };
      const index = this.waiting.findIndex(({ matches }) => matches(one));
      if (index < 0) this.said.push(one);
      else this.waiting.splice(index, 1)[0]!.resolve(state);
    };
    const lines: [ActorName, LineEnd][] = [["supervisor", { kind: "port", port: port2 }], ...ends];
    const worker = new Worker(new URL("./test-worker.ts", import.meta.url), {
      workerData: {
        name,
        config,
        machines,
        words: this.words.place,
        tapsFd: -1,
        bellFds: this.bells,
        lines,
        isChild: false,
      },
      transferList: portsOf(lines.map(([, end]) => end)),
    } as WorkerOptions);
    this.workers.set(name, worker);
    this.closed.set(name, new Promise((resolve) => worker.addEventListener("close", () => resolve())));
  }

  tell(to: Name, order: Order): void {
    this.mailbox.send(to, order as never);
  }

  /** The next thing that `from` says with `key` in it. */
  hear(from: Name, key: string): Promise<Record<string, unknown>> {
    const matches = (one: { from: Name; message: Record<string, unknown> }): boolean =>
      one.from === from && key in one.message;
    const index = this.said.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.said.splice(index, 1)[0]!.message);
    return new Promise((resolve) => this.waiting.push({ matches, resolve }));
  }

  async ask(to: Name, order: Order, key: string): Promise<Record<string, unknown>> {
    this.tell(to, order);
    return await this.hear(to, key);
  }

  died(name: Name): Promise<void> {
    return this.closed.get(name)!;
  }

  async end(): Promise<void> {
    // In order, so that they let go of their lines.
    await Promise.all(
      [...this.workers.keys()].map((name) => {
        Atomics.store(this.words.keep(slotOf(name)), 0, 1);
        this.mailbox.sendRuntime(name, { runtime: "stop" }, []);
        return this.died(name);
      }),
    );
    for (const fd of Object.values(this.bells)) closeFd(fd);
  }
}

let world: World;

/** Asks until `to` has counted `numbers`. */
async function untilNumbers(to: Name, numbers: number): Promise<Record<string, unknown>> {
  for (;;) {
    const report = await world.ask(to, { do: "report" }, "numbers");
    if ((report["numbers"] as number) >= numbers) return report;
  }
}

describe.each(["port", "rings"] as const)("over %s", (kind) => {
  beforeEach(async () => {
    world = new World(kind);
    world.start();
    await Promise.all([world.hear(a, "type"), world.hear(b, "type")]);
  });
  afterEach(() => world.end());

  test("a hundred thousand messages each way at once arrive all, once and in order", async () => {
    const count = 100_000;
    world.tell(a, { do: "flood", to: b, count });
    world.tell(b, { do: "flood", to: a, count });

    const reports = await Promise.all([untilNumbers(a, count), untilNumbers(b, count)]);

    for (const report of reports) expect(report).toEqual({ numbers: count, misplaced: 0 });
  }, 20_000);

  test("ten thousand round trips between actors that sleep wake each of them every time", async () => {
    world.tell(a, { do: "play", to: b, count: 10_000 });

    expect(await world.hear(a, "done")).toEqual({ done: "play" });
  }, 20_000);

  test("two games at once, and a flood beside them, end", async () => {
    world.tell(a, { do: "play", to: b, count: 3000 });
    world.tell(b, { do: "play", to: a, count: 3000 });
    world.tell(a, { do: "flood", to: b, count: 20_000 });

    const ends = await Promise.all([world.hear(a, "done"), world.hear(a, "done"), world.hear(b, "done")]);

    expect(ends.map(({ done }) => done).toSorted()).toEqual(["flood", "play", "play"]);
    expect(await untilNumbers(b, 20_000)).toEqual({ numbers: 20_000, misplaced: 0 });
  }, 20_000);

  test("messages of the supervisor wake a sleeper every time", async () => {
    for (let round = 0; round < 1000; round++) {
      world.tell(a, { do: "number", value: round });
      if (round % 10 === 0) await world.ask(a, { do: "report" }, "numbers");
    }
    expect(await untilNumbers(a, 1000)).toEqual({ numbers: 1000, misplaced: 0 });
  });

  test("the backlog is what a busy actor has not taken, and ends when it has", async () => {
    await world.ask(b, { do: "spin" }, "done");
    await world.ask(a, { do: "flood", to: b, count: 25 }, "done");
    expect(await world.ask(a, { do: "backlog", to: b }, "backlog")).toEqual({ backlog: 25 });

    Atomics.store(world.words.keep(slotOf(b)), 0, 1);
    await untilNumbers(b, 25);

    expect(await world.ask(a, { do: "backlog", to: b }, "backlog")).toEqual({ backlog: 0 });
  });

  test("an actor that works takes its messages between its turns", async () => {
    world.tell(a, { do: "work", turns: 2_000_000_000 });
    expect(await world.ask(a, { do: "report" }, "numbers")).toEqual({ numbers: 0, misplaced: 0 });
    world.tell(a, { do: "work", turns: 1 });

    expect(await world.hear(a, "done")).toEqual({ done: "work" });
  });

  test("waitUntil takes messages and ends as soon as they have come", async () => {
    world.tell(a, { do: "wait", numbers: 50, ms: 60_000 });
    for (let value = 0; value < 50; value++) world.tell(a, { do: "number", value });

    expect(await world.hear(a, "waited")).toMatchObject({ waited: true, numbers: 50 });
  });

  test("waitUntil ends at its deadline, and not before", async () => {
    world.tell(a, { do: "number", value: 0 });
    const answer = await world.ask(a, { do: "wait", numbers: 2, ms: 50 }, "waited");

    expect(answer).toMatchObject({ waited: false, numbers: 1 });
    expect(answer["ms"] as number).toBeGreaterThanOrEqual(50);
    expect(await world.ask(a, { do: "report" }, "numbers")).toEqual({ numbers: 1, misplaced: 0 });
  });

  test("waitUntil again and again misses no message", async () => {
    for (let round = 1; round <= 500; round++) {
      world.tell(a, { do: "wait", numbers: round, ms: 10_000 });
      world.tell(a, { do: "number", value: round - 1 });
      expect(await world.hear(a, "waited")).toMatchObject({ waited: true });
    }
  });

  test("timers run in the order of their deadlines while the actor sleeps", async () => {
    expect(await world.ask(a, { do: "timers", delays: [30, 1, 15, 0] }, "fired")).toEqual({
      fired: [0, 1, 15, 30],
    });
  });

  test("counters are seen live by the supervisor", async () => {
    world.tell(a, { do: "count", index: 63, value: 2 ** 53 });
    await world.ask(a, { do: "report" }, "numbers");

    expect(world.words.counters(slotOf(a))[63]).toBe(2 ** 53);
    expect(world.words.counters(slotOf(b))[63]).toBe(0);
  });

  test("an actor that is told to stop releases what it has, and says so last", async () => {
    world.mailbox.sendRuntime(a, { runtime: "stop" }, []);

    expect(await world.hear(a, "done")).toEqual({ done: "stop" });
    expect(await world.hear(a, "type")).toEqual({ type: "stopped" });
    expect(world.errors).toEqual([]);
  });

  for (const where of ["receive", "turn", "timer"] as const) {
    test(`an actor that throws in its ${where} releases what it has and dies with its error`, async () => {
      const died = world.died(a);
      world.tell(a, { do: "fail", where });

      expect(await world.hear(a, "done")).toEqual({ done: "stop" });
      await died;
      expect(world.errors).toEqual([where === "timer" ? "failed in a timer" : `failed in ${where}`]);
    });
  }

  test("a successor has its predecessor's kept words, a new channel to every peer, and no backlog", async () => {
    await world.ask(b, { do: "keep", index: 5, value: 4711 }, "kept");
    for (let life = 0; life < 3; life++) {
      // What is under way to the dead is lost, and must not count as waiting for ever.
      const died = world.died(b);
      world.mailbox.sendRuntime(b, { runtime: "crash" }, []);
      expect(await world.hear(b, "reason")).toEqual({ type: "crashed", reason: "killed by request" });
      await died;
      await world.ask(a, { do: "flood", to: b, count: 100 }, "done");
      const [end, otherEnd] = lineEnds(world.kind);
      world.mailbox.sendRuntime(a, { runtime: "link", peer: b, line: end }, portsOf([end]));
      world.spawn(b, [[a, otherEnd]]);
      expect(await world.hear(b, "type")).toEqual({ type: "started", startsPrograms: false });

      expect(await world.ask(b, { do: "keep", index: 5, value: 4711 }, "kept")).toEqual({ kept: 4711 });
      expect(await world.ask(a, { do: "backlog", to: b }, "backlog")).toEqual({ backlog: 0 });
      await world.ask(a, { do: "flood", to: b, count: 1000 }, "done");
      expect(await untilNumbers(b, 1000)).toEqual({ numbers: 1000, misplaced: 0 });
      await world.ask(b, { do: "flood", to: a, count: 10 }, "done");
      expect(await world.ask(b, { do: "backlog", to: a }, "backlog")).toMatchObject({
        backlog: expect.any(Number),
      });
      await untilNumbers(a, 10 * (life + 1));
      expect(await world.ask(b, { do: "backlog", to: a }, "backlog")).toEqual({ backlog: 0 });
    }
  });
});

test("sending to an actor without a link names both", () => {
  const lonely = new Mailbox("supervisor", SharedWords.create(), {});
  expect(() => lonely.send("ctrl-queue" as WorkerName, {} as never)).toThrow(
    "supervisor has no link to ctrl-queue",
  );
});
