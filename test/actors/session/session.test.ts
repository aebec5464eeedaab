// The vhost-user protocol as QEMU and crosvm speak it, byte by byte, with queue actors that only answer.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { SessionCounter } from "../../../src/actors/session/counters.ts";
import { closeFd, createEventfd, createMemfd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { u64 } from "../../../src/transport/wire/vhost-user/replies.ts";
import { RequestType, requestName } from "../../../src/transport/wire/vhost-user/protocol.ts";
import { inflightBytes } from "../../../src/transport/virtio/layout.ts";
import { kindOf, openFds } from "../../support/fds.ts";
import { withDescriptors, withoutDescriptors } from "../../support/limits.ts";
import { frame, type Front, fdsOf, SessionBench, type Told } from "../../support/session-bench.ts";

const R = RequestType;
const ramBytes = 1 << 20;
const ramAt = 0x7f00_0000_0000;
const needReply = 9;

let bench: SessionBench;
let front: Front;
let ram: number;
let eventfd: number;
/** What a VMM gives away as its display, and the end that it keeps. */
let socket: number;
let kept: number;

beforeEach(() => {
  ram = createMemfd("ram", ramBytes);
  eventfd = createEventfd();
  [socket, kept] = socketPair("stream");
  begin();
});
afterEach(() => {
  bench.close();
  for (const fd of [ram, eventfd, socket, kept]) closeFd(fd);
});

let isBegun = false;
function begin(...flags: string[]): void {
  if (isBegun) bench.close();
  isBegun = true;
  bench = new SessionBench(...flags);
  front = bench.connect();
  bench.said("supervisor");
}
afterEach(() => {
  isBegun = false;
});

const state = (index: number, num: number): Uint8Array => new Uint8Array(Uint32Array.of(index, num).buffer);
const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer as ArrayBuffer);

function region(guest: number, size: number, user: number, offset = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  [guest, size, user, offset].forEach((value, index) => view.setBigUint64(index * 8, BigInt(value), true));
  return bytesOf(view);
}

const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const single = (guest: number, size: number, user: number, offset = 0): Uint8Array =>
  joined(new Uint8Array(8), region(guest, size, user, offset));
const table = (...regions: Uint8Array[]): Uint8Array => joined(state(regions.length, 0), ...regions);

function addresses(
  index: number,
  { desc = 0, avail = 0x1000, used = 0x2000, log = 0, flags = 0 } = {},
): Uint8Array {
  const view = new DataView(new ArrayBuffer(40));
  view.setUint32(0, index, true);
  view.setUint32(4, flags, true);
  [desc, used, avail].forEach((offset, at) => view.setBigUint64(8 + at * 8, BigInt(ramAt + offset), true));
  view.setBigUint64(32, BigInt(log), true);
  return bytesOf(view);
}

const config = (offset: number, size: number, flags = 0, data = size): Uint8Array =>
  joined(new Uint8Array(Uint32Array.of(offset, size, flags).buffer), new Uint8Array(data));

function inflight(queues: number, size: number, bytes = 0, offset = 0, length = 24): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setBigUint64(0, BigInt(bytes), true);
  view.setBigUint64(8, BigInt(offset), true);
  view.setUint16(16, queues, true);
  view.setUint16(18, size, true);
  return bytesOf(view).slice(0, length);
}

const number = (payload: Uint8Array): bigint => new DataView(payload.slice().buffer).getBigUint64(0, true);

const features = 0x1_7400_000en;
const protocolFeatures = 0x48_b62bn;

/** Gives one region and starts both rings with 64 entries. */
function startRings(): void {
  front.tell(R.SET_PROTOCOL_FEATURES, u64(0xffffn));
  front.tell(R.SET_FEATURES, u64(features));
  front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
  for (const index of [0, 1]) startRing(index);
  bench.forget();
  bench.said("supervisor");
  bench.said("display");
}

function startRing(index: number, base = 0): void {
  front.tell(R.SET_VRING_NUM, state(index, 64));
  front.tell(R.SET_VRING_BASE, state(index, base));
  front.tell(R.SET_VRING_ADDR, addresses(index));
  front.tell(R.SET_VRING_KICK, u64(index), [eventfd]);
  front.tell(R.SET_VRING_CALL, u64(index), [eventfd]);
  front.tell(R.SET_VRING_ENABLE, state(index, 1));
}

/** The session ends with one line that matches, and the next front-end is served. */
function expectViolation(text: RegExp): void {
  expect(front.isClosed).toBe(true);
  expect(bench.context.logged.at(-1)).toMatchObject({ level: "error" });
  expect(bench.context.logged.at(-1)!.text).toMatch(text);
  expect(bench.context.logged.at(-1)!.text).toMatch(/^the front-end broke the protocol: /);
  expect(bench.context.counters[SessionCounter.violations]).toBe(1);
  expect(number(bench.connect().ask(R.GET_FEATURES).payload)).toBe(features);
}

const sessionStates = (): unknown[] =>
  bench
    .said("supervisor")
    .filter(({ type }) => type === "session-changed")
    .map((message) => (message as unknown as { state: string }).state);

describe("what a front-end asks first", () => {
  test("every answer is flags 5 and exactly its payload", () => {
    expect(front.ask(R.GET_FEATURES)).toEqual({ request: 1, flags: 5, payload: u64(features), fds: [] });
    expect(front.ask(R.GET_PROTOCOL_FEATURES)).toEqual({
      request: 15,
      flags: 5,
      payload: u64(protocolFeatures),
      fds: [],
    });
    expect(front.ask(R.GET_QUEUE_NUM)).toEqual({ request: 17, flags: 5, payload: u64(2), fds: [] });
    expect(front.ask(R.GET_MAX_MEM_SLOTS)).toEqual({ request: 36, flags: 5, payload: u64(509), fds: [] });
  });

  test("virgl, contexts and packed rings are not offered", () => {
    const offered = number(front.ask(R.GET_FEATURES).payload);
    for (const bit of [0n, 4n, 34n]) expect(offered & (1n << bit)).toBe(0n);
  });

  test("QEMU's sequence of connecting goes through", () => {
    front.ask(R.GET_FEATURES);
    front.ask(R.GET_PROTOCOL_FEATURES);
    front.tell(R.SET_PROTOCOL_FEATURES, u64(protocolFeatures));
    front.ask(R.GET_QUEUE_NUM);
    front.ask(R.GET_MAX_MEM_SLOTS);
    expect(front.ask(R.SET_BACKEND_REQ_FD, undefined, [socket], needReply).payload).toEqual(u64(0));
    front.tell(R.SET_OWNER);
    front.ask(R.GET_FEATURES);
    for (const index of [0, 1]) {
      front.tell(R.SET_VRING_CALL, u64(index), [eventfd]);
      front.tell(R.SET_VRING_ERR, u64(index), [eventfd]);
    }
    expect(front.ask(R.GET_CONFIG, config(0, 16)).payload).toHaveLength(28);
    expect(front.isClosed).toBe(false);
  });

  test("crosvm's sequence, which owns first, goes through", () => {
    front.tell(R.SET_OWNER);
    front.ask(R.GET_FEATURES);
    front.tell(R.SET_FEATURES, u64(0x1_6000_0002n));
    front.ask(R.GET_PROTOCOL_FEATURES);
    front.tell(R.SET_PROTOCOL_FEATURES, u64(0x22bn));
    front.tell(R.SET_BACKEND_REQ_FD, undefined, [socket]);
    front.ask(R.GET_QUEUE_NUM);
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    for (const index of [0, 1]) {
      front.tell(R.SET_VRING_NUM, state(index, 32768));
      front.tell(R.SET_VRING_ADDR, addresses(index));
      front.tell(R.SET_VRING_BASE, state(index, 0));
      front.tell(R.SET_VRING_CALL, u64(index), [eventfd]);
      front.tell(R.SET_VRING_KICK, u64(index), [eventfd]);
      front.tell(R.SET_VRING_ENABLE, state(index, 1));
    }
    expect(bench.toldTypes.filter((type) => type.endsWith("start-ring"))).toEqual([
      "ctrl-queue start-ring",
      "cursor-queue start-ring",
    ]);
  });
});

describe("acknowledgements", () => {
  test("a request that asks for one has u64 zero, once REPLY_ACK was negotiated", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
    expect(front.ask(R.SET_OWNER, undefined, [], needReply)).toEqual({
      request: 3,
      flags: 5,
      payload: u64(0),
      fds: [],
    });
  });

  test("without REPLY_ACK nothing is acknowledged", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(0xffffn & ~8n));
    front.send(frame(R.SET_OWNER, undefined, needReply));
    expect(front.replies()).toEqual([]);
  });

  test("a request that has an answer has that one only", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
    expect(front.ask(R.GET_FEATURES, undefined, [], needReply).payload).toEqual(u64(features));
    const log = createMemfd("log", 4096);
    expect(front.ask(R.SET_LOG_BASE, joined(u64(4096), u64(0)), [log], needReply).payload).toEqual(u64(0));
    closeFd(log);
  });

  test("a request with a reply of its own that fails has no status before the end", () => {
    for (const [request, payload] of [
      [R.GET_CONFIG, new Uint8Array(11)],
      [R.GET_VRING_BASE, state(9, 0)],
      [R.GET_INFLIGHT_FD, inflight(3, 8)],
      [R.SET_LOG_BASE, joined(u64(4096), u64(0))],
    ] as const) {
      begin();
      front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
      front.send(frame(request, payload, needReply));
      expect(front.replies()).toEqual([]);
      expect(front.isClosed).toBe(true);
    }
  });

  test("a request that fails has u64 one before the end", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
    front.send(frame(R.SET_VRING_NUM, state(0, 3), needReply));
    expect(front.replies()).toMatchObject([{ request: R.SET_VRING_NUM, flags: 5, payload: u64(1) }]);
    expectViolation(/vring 0 cannot have 3 entries/);
  });
});

describe("starting rings", () => {
  test("a ring is started with guest-physical addresses and descriptors of its own", () => {
    front.tell(R.SET_FEATURES, u64(features));
    front.tell(R.SET_MEM_TABLE, table(region(0x10_0000, ramBytes, ramAt)), [ram]);
    bench.forget();
    front.tell(R.SET_VRING_ERR, u64(0), [eventfd]);
    front.tell(R.SET_VRING_CALL, u64(0), [eventfd]);
    front.tell(R.SET_VRING_NUM, state(0, 256));
    front.tell(R.SET_VRING_BASE, state(0, 7));
    front.tell(R.SET_VRING_ADDR, addresses(0, { desc: 0x40, avail: 0x80, used: 0xc0 }));
    front.tell(R.SET_VRING_KICK, u64(0), [eventfd]);

    expect(bench.told).toHaveLength(1);
    expect(bench.told[0]).toMatchObject({
      to: "ctrl-queue",
      type: "start-ring",
      num: 256,
      base: 7,
      desc: 0x10_0040,
      avail: 0x10_0080,
      used: 0x10_00c0,
      usedLog: -1,
      enabled: false,
      eventIdx: true,
      inflightFd: -1,
    });
    const fds = fdsOf(bench.told[0]!);
    expect(fds).toHaveLength(3);
    for (const fd of fds) expect(kindOf(fd)).toContain("eventfd");
  });

  test("EVENT_IDX that the driver did not take is not used", () => {
    front.tell(R.SET_FEATURES, u64(features & ~(1n << 29n)));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    startRing(0);
    expect(bench.told.find(({ type }) => type === "start-ring")).toMatchObject({ eventIdx: false });
  });

  test("without PROTOCOL_FEATURES a ring is enabled by starting", () => {
    front.tell(R.SET_FEATURES, u64(1n << 32n));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    front.tell(R.SET_VRING_NUM, state(1, 16));
    front.tell(R.SET_VRING_ADDR, addresses(1));
    front.tell(R.SET_VRING_KICK, u64(1), [eventfd]);
    expect(bench.told.at(-1)).toMatchObject({ to: "cursor-queue", type: "start-ring", enabled: true });
  });

  test("acknowledged bits that were never offered change nothing where they are harmless", () => {
    const harmful = (1n << 33n) | (1n << 34n) | (1n << 35n) | (1n << 38n);
    front.tell(R.SET_FEATURES, u64(0xffff_ffff_ffff_ffffn & ~harmful));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    startRing(0);
    expect(front.isClosed).toBe(false);
  });

  test("enabling and disabling a running ring is told and waited for", () => {
    startRings();
    front.tell(R.SET_VRING_ENABLE, state(1, 0));
    expect(bench.told).toMatchObject([{ to: "cursor-queue", type: "enable-ring", enabled: false }]);
  });

  test("descriptors of a running ring are passed on as they change", () => {
    startRings();
    front.tell(R.SET_VRING_CALL, u64(0), [eventfd]);
    front.tell(R.SET_VRING_CALL, u64(0x100));
    front.tell(R.SET_VRING_ERR, u64(1), [eventfd]);

    expect(bench.toldTypes).toEqual([
      "ctrl-queue set-ring-call",
      "ctrl-queue set-ring-call",
      "cursor-queue set-ring-err",
    ]);
    expect(fdsOf(bench.told[0]!)).toHaveLength(1);
    expect(fdsOf(bench.told[1]!)).toHaveLength(0);
  });

  test("a queue that is behind is waited for before it is given another descriptor", () => {
    startRings();
    for (const request of [R.SET_VRING_CALL, R.SET_VRING_ERR]) {
      let toldAtDeadline = -1;
      bench.context.behind.set("ctrl-queue", 1000);
      bench.context.onLate = () => {
        toldAtDeadline = bench.told.length;
        bench.context.behind.clear();
      };
      front.tell(request, u64(0), [eventfd]);
      expect(toldAtDeadline).toBe(0);
      expect(bench.forget()).toHaveLength(1);
    }
  });

  test("a ring that its queue cannot run is logged, and the session goes on", () => {
    front.tell(R.SET_FEATURES, u64(features));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    bench.errors.set("start-ring", "the used ring is misaligned");
    startRing(0);

    expect(bench.context.logged).toMatchObject([
      { level: "warning", text: "vring 0 does not run: the used ring is misaligned" },
    ]);
    expect(front.isClosed).toBe(false);
  });

  test("another kick descriptor for a running ring does not send it back to its first base", () => {
    startRings();
    front.tell(R.SET_VRING_KICK, u64(0), [eventfd]);

    const start = bench.told.find(({ type }) => type === "start-ring") as Extract<
      Told,
      { type: "start-ring" }
    >;
    expect(start.base).toBe(-1);
    expect(start.enabled).toBe(true);
    expect(start.callFd).toBeGreaterThanOrEqual(0);
  });
});

describe("rings that the guest has broken", () => {
  const breakRing = (): void => bench.actor.receive({ type: "ring-broken", actor: "cursor-queue" });

  test("say where they were when they are stopped, and start again", () => {
    startRings();
    breakRing();
    bench.bases["cursor-queue"] = 7;
    expect(front.ask(R.GET_VRING_BASE, state(1, 0)).payload).toEqual(state(1, 7));
    bench.forget();
    startRing(1, 7);
    expect(bench.toldTypes).toContain("cursor-queue start-ring");
  });

  test("go on at the used index when they are kicked anew", () => {
    startRings();
    breakRing();
    front.tell(R.SET_VRING_KICK, u64(1), [eventfd]);
    expect(bench.told.at(-1)).toMatchObject({ type: "start-ring", base: -1 });
  });

  test("are not started in an actor that takes over, until they are kicked", () => {
    startRings();
    breakRing();
    bench.forget();
    bench.returnPeer("cursor-queue");
    expect(bench.toldTypes).not.toContain("cursor-queue start-ring");
    front.tell(R.SET_VRING_KICK, u64(1), [eventfd]);
    expect(bench.toldTypes).toContain("cursor-queue start-ring");
  });

  test("are of no account to a ring that was stopped before the session heard of it", () => {
    startRings();
    bench.dying = "cursor-queue";
    bench.context.arriving.push(() => {
      breakRing();
      bench.context.deliver(bench.actor, { type: "ring-stopped", token: lastToken(), base: 9 });
    });
    expect(front.ask(R.GET_VRING_BASE, state(1, 0)).payload).toEqual(state(1, 9));
    bench.dying = null;
    startRing(1, 9);
    bench.forget();
    bench.returnPeer("cursor-queue");
    expect(bench.toldTypes).toContain("cursor-queue start-ring");
  });

  const lastToken = (): number => (bench.told.at(-1) as Extract<Told, { token: number }>).token;
});

describe("stopping rings", () => {
  test("GET_VRING_BASE answers the index and the base that the queue stopped at", () => {
    startRings();
    bench.bases["cursor-queue"] = 0xabcd;

    expect(front.ask(R.GET_VRING_BASE, state(1, 0))).toEqual({
      request: 11,
      flags: 5,
      payload: state(1, 0xabcd),
      fds: [],
    });
    expect(bench.toldTypes).toEqual(["cursor-queue stop-ring"]);
  });

  test("a ring that never started answers its base without asking anyone", () => {
    front.tell(R.SET_VRING_BASE, state(0, 99));
    expect(front.ask(R.GET_VRING_BASE, state(0, 0)).payload).toEqual(state(0, 99));
    expect(bench.told).toEqual([]);
  });

  test("a stopped ring starts again with what the front-end says anew", () => {
    startRings();
    bench.bases["ctrl-queue"] = 5;
    front.ask(R.GET_VRING_BASE, state(0, 0));
    bench.forget();
    startRing(0, 5);
    expect(bench.told.find(({ type }) => type === "start-ring")).toMatchObject({ to: "ctrl-queue", base: 5 });
  });

  test("a disabled ring that is set up anew is stopped first, as libkrun's after its reset", () => {
    startRings();
    for (const index of [0, 1]) front.tell(R.SET_VRING_ENABLE, state(index, 0));
    expect(sessionStates()).toEqual([]);
    bench.forget();

    front.tell(R.SET_OWNER);
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    front.tell(R.SET_FEATURES, u64(features));
    for (const index of [0, 1]) startRing(index);

    expect(bench.toldTypes.filter((type) => !type.endsWith("map-memory"))).toEqual(
      ["ctrl-queue", "cursor-queue"].flatMap((to) =>
        ["stop-ring", "start-ring", "set-ring-call", "enable-ring"].map((type) => `${to} ${type}`),
      ),
    );
    const starts = bench.told.filter(({ type }) => type === "start-ring");
    expect(starts).toMatchObject([{ base: 0 }, { base: 0 }]);
    expect(front.isClosed).toBe(false);
  });

  for (const [what, change] of [
    ["number of entries", (time: number) => front.tell(R.SET_VRING_NUM, state(0, 32 / time))],
    ["base", (time: number) => front.tell(R.SET_VRING_BASE, state(0, time))],
    ["place", (time: number) => front.tell(R.SET_VRING_ADDR, addresses(0, { desc: 64 * time }))],
  ] as const) {
    test(`a disabled ring may be given another ${what}, an enabled one may not`, () => {
      startRings();
      front.tell(R.SET_VRING_ENABLE, state(0, 0));
      change(1);
      expect(bench.toldTypes).toEqual(["ctrl-queue enable-ring", "ctrl-queue stop-ring"]);
      front.tell(R.SET_VRING_KICK, u64(0), [eventfd]);
      front.tell(R.SET_VRING_ENABLE, state(0, 1));

      change(2);
      expect(front.isClosed).toBe(true);
    });
  }

  test("a running ring may be told its number of entries again, and goes on", () => {
    startRings();
    front.tell(R.SET_VRING_NUM, state(0, 64));
    expect(bench.told).toEqual([]);
    expect(front.isClosed).toBe(false);
  });

  test("the states are told to the supervisor: connected, running, suspended, running, listening", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(0xffffn));
    front.tell(R.SET_FEATURES, u64(features));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    for (const index of [0, 1]) startRing(index);
    expect(sessionStates()).toEqual(["running"]);
    front.ask(R.GET_VRING_BASE, state(0, 0));
    expect(sessionStates()).toEqual([]);
    front.ask(R.GET_VRING_BASE, state(1, 0));
    expect(sessionStates()).toEqual(["suspended"]);
    startRing(0);
    expect(sessionStates()).toEqual(["running"]);
    front.close();
    bench.serve();
    expect(sessionStates()).toEqual(["listening"]);
  });

  test("a session whose ring was started twice is suspended when it stops once", () => {
    startRings();
    front.tell(R.SET_VRING_KICK, u64(0), [eventfd]);
    bench.returnPeer("cursor-queue");
    front.ask(R.GET_VRING_BASE, state(0, 0));
    front.ask(R.GET_VRING_BASE, state(1, 0));

    expect(sessionStates()).toEqual(["suspended"]);
  });

  test("RESET_DEVICE resets both queues and the display, and forgets the rings", () => {
    startRings();
    expect(front.ask(R.RESET_DEVICE, undefined, [], needReply).payload).toEqual(u64(0));

    expect(bench.toldTypes).toEqual(["ctrl-queue reset", "cursor-queue reset"]);
    front.send(frame(R.SET_VRING_KICK, u64(0)), [eventfd]);
    expectViolation(/SET_KICK is not allowed while vring 0 is empty/);
  });

  test("a reset device starts again", () => {
    startRings();
    front.tell(R.RESET_DEVICE);
    bench.forget();
    front.tell(R.SET_FEATURES, u64(features));
    startRing(0);
    expect(bench.toldTypes).toContain("ctrl-queue start-ring");
  });

  test("a reset device keeps its err descriptors, which are given once", () => {
    front.tell(R.SET_VRING_ERR, u64(0), [eventfd]);
    startRings();
    front.tell(R.RESET_DEVICE);
    bench.forget();
    front.tell(R.SET_FEATURES, u64(features));
    startRing(0);
    const start = bench.told.find((told) => told.type === "start-ring");
    expect(start?.type === "start-ring" && start.errFd).toBeGreaterThanOrEqual(0);
  });
});

describe("memory", () => {
  test("a table is given to both queues, each with its own descriptors", () => {
    front.tell(R.SET_MEM_TABLE, table(region(0, 4096, ramAt), region(0x10000, 8192, ramAt + 4096, 4096)), [
      ram,
      ram,
    ]);

    expect(bench.toldTypes).toEqual(["ctrl-queue map-memory", "cursor-queue map-memory"]);
    for (const message of bench.told) {
      expect(message).toMatchObject({
        regions: [
          { guestAddress: 0, size: 4096, fdOffset: 0 },
          { guestAddress: 0x10000, size: 8192, fdOffset: 4096 },
        ],
      });
      expect(new Set(fdsOf(message)).size).toBe(2);
    }
  });

  test("a second table replaces the first: its regions are new ones", () => {
    const send = (): void => front.tell(R.SET_MEM_TABLE, table(region(0, 4096, ramAt)), [ram]);
    send();
    const [first] = bench.forget() as Extract<Told, { type: "map-memory" }>[];
    send();
    const [second] = bench.told as Extract<Told, { type: "map-memory" }>[];

    expect(second!.regions).toHaveLength(1);
    expect(second!.regions[0]!.id).not.toBe(first!.regions[0]!.id);
    expect(second!.regions[0]!.fd).toBeGreaterThanOrEqual(0);
  });

  test("an added region comes with a descriptor, those that are known without", () => {
    front.tell(R.ADD_MEM_REG, single(0, 4096, ramAt), [ram]);
    bench.forget();
    front.tell(R.ADD_MEM_REG, single(0x10000, 4096, ramAt + 4096), [ram]);

    const [message] = bench.told as Extract<Told, { type: "map-memory" }>[];
    expect(message!.regions.map(({ fd }) => fd >= 0)).toEqual([false, true]);
  });

  test("a removed region is gone, the others stay, whether it comes with a descriptor or not", () => {
    for (const [at, fds] of [
      [0x10000, []],
      [0x20000, [ram]],
    ] as const) {
      front.tell(R.ADD_MEM_REG, single(at, 4096, ramAt + at), [ram]);
      bench.forget();
      front.tell(R.REM_MEM_REG, single(at, 4096, ramAt + at), fds);
      const [message] = bench.forget() as Extract<Told, { type: "map-memory" }>[];
      expect(message!.regions).toEqual([]);
    }
  });

  test("memory that a queue cannot map ends the session", () => {
    bench.errors.set("map-memory", "no such thing");
    front.send(frame(R.ADD_MEM_REG, single(0, 4096, ramAt)), [ram]);
    expect(front.isClosed).toBe(true);
  });

  test("more regions than there are slots end the session", () => {
    const fdCount = openFds();
    for (let index = 0; index < 509; index++) {
      front.tell(R.ADD_MEM_REG, single(index * 4096, 4096, ramAt + index * 4096), [ram]);
      bench.forget();
    }
    expect(openFds()).toBe(fdCount + 509);
    front.send(frame(R.ADD_MEM_REG, single(2 ** 40, 4096, 2 ** 41)), [ram]);
    expectViolation(/more than 509 memory regions/);
    expect(openFds()).toBeLessThan(fdCount + 10);
  });
});

describe("the dirty log", () => {
  test("is on while there is a log and LOG_ALL, whichever comes first", () => {
    const log = createMemfd("log", 4096);
    front.tell(R.SET_FEATURES, u64(features & ~(1n << 26n)));
    expect(front.ask(R.SET_LOG_BASE, joined(u64(4096), u64(64)), [log]).payload).toEqual(u64(0));
    expect(bench.forget()).toMatchObject([{ type: "log-pages", fd: -1 }, { fd: -1 }]);

    front.tell(R.SET_FEATURES, u64(features));
    expect(bench.told).toMatchObject([
      { to: "ctrl-queue", type: "log-pages", offset: 64, size: 4096 },
      { to: "cursor-queue", type: "log-pages", offset: 64, size: 4096 },
    ]);
    expect(bench.told.every((message) => fdsOf(message).length === 1)).toBe(true);
    bench.forget();

    front.tell(R.SET_FEATURES, u64(features));
    expect(bench.told).toEqual([]);
    front.tell(R.SET_FEATURES, u64(features & ~(1n << 26n)));
    expect(bench.told).toMatchObject([{ fd: -1 }, { fd: -1 }]);
    closeFd(log);
  });

  test("a running ring is told where its used ring is logged", () => {
    startRings();
    front.tell(R.SET_VRING_ADDR, addresses(0, { flags: 1, log: 0x2000 }));
    front.tell(R.SET_VRING_ADDR, addresses(0, { flags: 0, log: 0x2000 }));

    expect(bench.told).toMatchObject([
      { to: "ctrl-queue", type: "log-ring", usedLog: 0x2000 },
      { to: "ctrl-queue", type: "log-ring", usedLog: -1 },
    ]);
  });

  test("SET_LOG_FD is taken and closed", () => {
    const before = openFds();
    front.tell(R.SET_LOG_FD, undefined, [eventfd]);
    expect(openFds()).toBe(before);
  });

  test("a log that cannot be mapped ends the session", () => {
    front.tell(R.SET_FEATURES, u64(features));
    bench.errors.set("log-pages", "outside of its file");
    front.send(frame(R.SET_LOG_BASE, joined(u64(4096), u64(0))), [ram]);
    expect(front.isClosed).toBe(true);
    expect(bench.context.logged.at(-1)!.text).toMatch(/cannot map the dirty log: outside of its file/);
  });
});

describe("the inflight record", () => {
  test("is made for the shape that is asked for, and given to a ring that starts", () => {
    front.tell(R.SET_FEATURES, u64(features));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    const reply = front.ask(R.GET_INFLIGHT_FD, inflight(2, 64));
    const view = new DataView(reply.payload.buffer);
    expect(reply.payload).toHaveLength(24);
    expect(Number(view.getBigUint64(0, true))).toBe(2 * inflightBytes(64));
    expect(view.getBigUint64(8, true)).toBe(0n);
    expect([view.getUint16(16, true), view.getUint16(18, true)]).toEqual([2, 64]);
    expect(reply.fds).toHaveLength(1);

    front.tell(R.SET_INFLIGHT_FD, inflight(2, 64, 2 * inflightBytes(64)), reply.fds);
    startRing(1);

    const start = bench.told.find(({ type }) => type === "start-ring")!;
    expect(start).toMatchObject({ inflightOffset: inflightBytes(64), inflightNum: 64 });
    expect((start as { inflightFd: number }).inflightFd).toBeGreaterThanOrEqual(0);
    for (const fd of reply.fds) closeFd(fd);
  });

  test("the shorter layout of 20 bytes is taken too", () => {
    const reply = front.ask(R.GET_INFLIGHT_FD, inflight(1, 8, 0, 0, 20));
    expect(reply.payload).toHaveLength(20);
    for (const fd of reply.fds) closeFd(fd);
  });

  test("a record for fewer queues or entries than the ring has is not used", () => {
    front.tell(R.SET_FEATURES, u64(features));
    front.tell(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)), [ram]);
    front.tell(R.SET_INFLIGHT_FD, inflight(1, 64, inflightBytes(64)), [ram]);
    startRing(0);
    startRing(1);
    const starts = bench.forget().filter(({ type }) => type === "start-ring") as { inflightFd: number }[];
    expect(starts.map(({ inflightFd }) => inflightFd >= 0)).toEqual([true, false]);

    front.tell(R.SET_INFLIGHT_FD, inflight(2, 32, 2 * inflightBytes(32)), [ram]);
    front.ask(R.GET_VRING_BASE, state(0, 0));
    startRing(0);
    expect(bench.told.find(({ type }) => type === "start-ring")).toMatchObject({ inflightFd: -1 });
  });
});

describe("the configuration space", () => {
  test("is answered with the header that asked", () => {
    begin("--outputs", "640x480,800x600,1024x768");
    const reply = front.ask(R.GET_CONFIG, config(0, 16, 1));
    expect([...new Uint32Array(reply.payload.slice().buffer)]).toEqual([0, 16, 1, 0, 0, 3, 0]);
  });

  test("that a front-end does not take is told of: its guest's driver will find rubbish there", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(0x208n));
    expect(bench.context.logged.filter(({ level }) => level === "warning")).toEqual([]);
    front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
    expect(bench.context.logged.at(-1)!).toMatchObject({
      level: "warning",
      text: expect.stringContaining("QEMU's generic device: config_size=16"),
    });
  });

  test("any range up to its end is answered", () => {
    expect([...front.ask(R.GET_CONFIG, config(8, 1)).payload]).toEqual([
      8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1,
    ]);
    expect(front.ask(R.GET_CONFIG, config(0, 256)).payload).toHaveLength(268);
    expect(front.ask(R.GET_CONFIG, config(256, 0)).payload).toHaveLength(12);
    expect(front.ask(R.GET_CONFIG, config(255, 1)).payload).toHaveLength(13);
  });

  const beyond: [string, Uint8Array][] = [
    ["past its end", config(255, 2)],
    ["of 4 GiB", config(0, 0xffff_ffff, 0, 16)],
    ["whose sum wraps", config(0xffff_ffff, 1)],
    ["without their room", config(0, 16, 0, 15)],
  ];
  for (const [name, payload] of beyond) {
    test(`bytes ${name} are answered by no payload, and the session goes on`, () => {
      front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
      const nothing = { request: R.GET_CONFIG, flags: 5, payload: new Uint8Array(0), fds: [] };
      expect(front.ask(R.GET_CONFIG, payload)).toEqual(nothing);
      // One reply, whether a status is asked for or not.
      expect(front.ask(R.GET_CONFIG, payload, [], needReply)).toEqual(nothing);
      expect(number(front.ask(R.GET_FEATURES).payload)).toBe(features);
    });

    test(`a write of bytes ${name} fails, and the session goes on`, () => {
      front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
      front.tell(R.SET_CONFIG, payload);
      expect(front.ask(R.SET_CONFIG, payload, [], needReply).payload).toEqual(u64(1));
      expect(number(front.ask(R.GET_FEATURES).payload)).toBe(features);
    });
  }

  test("a driver that clears the display's event is told of to the display, once an event", () => {
    const events = (): number =>
      new Uint32Array(front.ask(R.GET_CONFIG, config(0, 4)).payload.slice(12).buffer)[0]!;
    const clear = (bits: number): void => {
      const payload = config(4, 4);
      new DataView(payload.buffer).setUint32(12, bits, true);
      front.tell(R.SET_CONFIG, payload);
    };
    clear(1);
    expect(bench.said("display")).toEqual([]);
    bench.actor.receive({ type: "display-changed" });
    expect(events()).toBe(1);
    // Another bit than the event's.
    clear(2);
    expect([events(), bench.said("display")]).toEqual([1, []]);
    clear(0xffff_ffff);
    expect([events(), bench.said("display")]).toEqual([0, [{ type: "modes-read" }]]);
    clear(1);
    expect(bench.said("display")).toEqual([]);
  });

  test("a write is taken and changes none of the device's own fields", () => {
    front.tell(R.SET_PROTOCOL_FEATURES, u64(8n));
    const payload = config(0, 16);
    payload.fill(0xff, 12);
    expect(front.ask(R.SET_CONFIG, payload, [], needReply).payload).toEqual(u64(0));
    expect([...new Uint32Array(front.ask(R.GET_CONFIG, config(0, 16)).payload.slice(12).buffer)]).toEqual([
      0, 0, 1, 0,
    ]);
  });
});

describe("the display socket", () => {
  const socketNumbers = (): number[] =>
    bench.said("display").flatMap((said) => ("socket" in said ? [said.socket as number] : []));

  test("is passed on, and a second one after a guest's reboot too", () => {
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);

    const [first, second] = socketNumbers();
    expect([first, second]).toEqual([expect.any(Number), first! + 1]);
  });

  test("is given to a display that was restarted", () => {
    bench.returnPeer("display");
    expect(bench.said("display")).toEqual([]);
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    const given = socketNumbers();

    bench.returnPeer("display");

    expect(given).toEqual([expect.any(Number)]);
    expect(socketNumbers()).toEqual(given);
  });
});

describe("whether the VMM shows the picture", () => {
  const told = (): unknown[] =>
    bench.told.flatMap((message) => (message.type === ("vmm-display-changed" as string) ? [message] : []));

  test("is given no other socket while it is far behind", () => {
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    bench.said("display");
    let saidAtDeadline = -1;
    bench.context.behind.set("display", 1000);
    bench.context.onLate = () => {
      saidAtDeadline = bench.context.sent.filter(({ to }) => to === "display").length;
      bench.context.behind.clear();
    };
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    expect(saidAtDeadline).toBe(0);
    expect(bench.said("display")).toHaveLength(1);
  });

  test("is told both queues when the display socket comes, and when its session ends", () => {
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    expect(told()).toMatchObject([
      { to: "ctrl-queue", isConnected: true },
      { to: "cursor-queue", isConnected: true },
    ]);
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    expect(told()).toHaveLength(2);
    bench.forget();
    front.close();
    bench.serve();
    expect(told()).toMatchObject([
      { to: "ctrl-queue", isConnected: false },
      { to: "cursor-queue", isConnected: false },
    ]);
  });

  test("is told a queue that was restarted before all else", () => {
    startRings();
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    bench.forget();
    bench.returnPeer("cursor-queue");
    expect(bench.toldTypes).toEqual([
      "cursor-queue vmm-display-changed",
      "cursor-queue map-memory",
      "cursor-queue log-pages",
      "cursor-queue start-ring",
    ]);
  });

  test("is not told of a session without a display", () => {
    startRings();
    front.close();
    bench.serve();
    expect(told()).toEqual([]);
  });
});

describe("a cursor queue that was restarted", () => {
  test("is given memory, log and ring anew, with every descriptor", () => {
    startRings();
    bench.returnPeer("cursor-queue");

    expect(bench.toldTypes).toEqual([
      "cursor-queue map-memory",
      "cursor-queue log-pages",
      "cursor-queue start-ring",
    ]);
    expect(fdsOf(bench.told[0]!)).toHaveLength(1);
    expect(bench.told[2]).toMatchObject({ base: -1, enabled: true, num: 64 });
    expect(fdsOf(bench.told[2]!)).toHaveLength(2);
  });

  test("without a session there is nothing to give", () => {
    front.close();
    bench.serve();
    bench.forget();
    bench.returnPeer("cursor-queue");
    expect(bench.told).toEqual([]);
  });

  /** The cursor queue has crashed; its successor comes as soon as somebody waits for it. */
  function crash(): void {
    bench.losePeer("cursor-queue");
    bench.context.arriving.push(() => bench.returnPeer("cursor-queue"));
  }

  test("is asked nothing before it was told everything, and what was asked meanwhile is done", () => {
    startRings();
    bench.forget();
    crash();
    front.tell(R.SET_VRING_ENABLE, state(1, 0));

    expect(bench.toldTypes).toEqual([
      "cursor-queue map-memory",
      "cursor-queue log-pages",
      "cursor-queue start-ring",
    ]);
    expect(bench.told[2]).toMatchObject({ enabled: false });
    expect(front.isClosed).toBe(false);
  });

  test("says where its ring is when it is stopped while it is gone", () => {
    startRings();
    bench.forget();
    bench.bases["cursor-queue"] = 17;
    crash();

    expect(front.ask(R.GET_VRING_BASE, state(1, 0)).payload).toEqual(state(1, 17));
    expect(bench.toldTypes).toEqual([
      "cursor-queue map-memory",
      "cursor-queue log-pages",
      "cursor-queue start-ring",
      "cursor-queue stop-ring",
    ]);
  });

  test("need not answer what its predecessor was asked", () => {
    startRings();
    bench.forget();
    bench.dying = "cursor-queue";
    bench.context.arriving.push(() => {
      bench.dying = null;
      crash();
    });
    front.tell(R.SET_VRING_ENABLE, state(1, 0));

    expect(bench.toldTypes[0]).toBe("cursor-queue enable-ring");
    expect(bench.told.at(-1)).toMatchObject({ type: "start-ring", enabled: false });
    expect(front.isClosed).toBe(false);
  });

  test("and dies as it is told has a successor whose ring is started once", () => {
    startRings();
    bench.forget();
    bench.dying = "cursor-queue";
    bench.context.arriving.push(() => {
      bench.dying = null;
      crash();
    });
    bench.returnPeer("cursor-queue");

    expect(bench.toldTypes.filter((type) => type === "cursor-queue start-ring")).toHaveLength(1);
  });

  test("that was to be told of the log leaves no descriptor of that", () => {
    startRings();
    bench.forget();
    crash();
    const log = createMemfd("log", 4096);
    expect(front.ask(R.SET_LOG_BASE, joined(u64(4096), u64(0)), [log]).payload).toEqual(u64(0));
    closeFd(log);
    expect(bench.toldTypes.filter((type) => type === "cursor-queue log-pages")).toHaveLength(1);
  });

  test("that crashes around a hang-up is waited for no longer than until the next one is there", () => {
    startRings();
    bench.dying = "cursor-queue";
    bench.context.arriving.push(() => {
      bench.dying = null;
      crash();
    });
    front.close();
    bench.serve();

    expect(bench.context.logged).toMatchObject([{ level: "info", text: "the front-end has disconnected" }]);
    expect(sessionStates()).toEqual(["listening"]);
    expect(number(bench.connect().ask(R.GET_FEATURES).payload)).toBe(features);
  });

  describe("whose ring lies in no memory just now", () => {
    beforeEach(() => {
      startRings();
      front.tell(R.REM_MEM_REG, single(0, ramBytes, ramAt));
      bench.losePeer("cursor-queue");
      bench.forget();
      bench.returnPeer("cursor-queue");
      expect(bench.toldTypes).toEqual([]);
    });

    test("is told everything once that is back, and is told of no other memory before", () => {
      const elsewhere = createMemfd("elsewhere", 4096);
      front.tell(R.ADD_MEM_REG, single(2 ** 32, 4096, 2 ** 32), [elsewhere]);
      expect(bench.toldTypes).toEqual(["ctrl-queue map-memory"]);
      bench.forget();
      front.tell(R.ADD_MEM_REG, single(0, ramBytes, ramAt), [ram]);

      expect(bench.toldTypes).toEqual([
        "ctrl-queue map-memory",
        "cursor-queue map-memory",
        "cursor-queue log-pages",
        "cursor-queue start-ring",
      ]);
      expect(bench.told[1]).toMatchObject({ regions: [{ size: 4096 }, { size: ramBytes }] });
      closeFd(elsewhere);
    });

    test("is given what there is once the driver starts from nothing", () => {
      front.tell(R.RESET_DEVICE);
      expect(bench.toldTypes.slice(2)).toEqual(["cursor-queue map-memory", "cursor-queue log-pages"]);
    });

    test("ends the session where it is to say where that ring is, and not the device", () => {
      front.send(frame(R.GET_VRING_BASE, state(1, 0)));
      expectViolation(/the descriptor table of vring 1 .* lies in no memory region/);
    });
  });

  test("a ring that was stopped is not started", () => {
    startRings();
    front.ask(R.GET_VRING_BASE, state(1, 0));
    bench.forget();
    bench.returnPeer("cursor-queue");
    expect(bench.toldTypes).not.toContain("cursor-queue start-ring");
  });
});

describe("violations end the session with one line, and the next front-end is served", () => {
  const cases: [string, () => void, RegExp][] = [
    ["an unknown request", () => front.send(frame(4711)), /request 4711 was not negotiated or is not known/],
    [
      "SET_STATUS, which was not offered",
      () => front.send(frame(R.SET_STATUS, u64(0))),
      /SET_STATUS was not negotiated/,
    ],
    [
      "GET_SHMEM_CONFIG, which was not taken",
      () => front.send(frame(44)),
      /GET_SHMEM_CONFIG was not negotiated/,
    ],
    ["IOTLB_MSG", () => front.send(frame(R.IOTLB_MSG, new Uint8Array(32))), /IOTLB_MSG was not negotiated/],
    ["a version of 2", () => front.send(frame(R.GET_FEATURES, undefined, 2)), /not version 1/],
    [
      "an oversize payload",
      () => front.send(frame(R.SET_CONFIG, new Uint8Array(4097))),
      /payload of 4097 bytes, over 4096/,
    ],
    [
      "a short SET_FEATURES",
      () => front.send(frame(R.SET_FEATURES, new Uint8Array(7))),
      /SET_FEATURES has a payload of 7 bytes/,
    ],
    [
      "a long SET_PROTOCOL_FEATURES",
      () => front.send(frame(R.SET_PROTOCOL_FEATURES, new Uint8Array(9))),
      /payload of 9 bytes/,
    ],
    [
      "a vring that a GPU has not",
      () => front.send(frame(R.SET_VRING_NUM, state(2, 8))),
      /there is no vring 2/,
    ],
    [
      "a vring with a huge index",
      () => front.send(frame(R.GET_VRING_BASE, state(0xffff_ffff, 8))),
      /there is no vring 4294967295/,
    ],
    [
      "a call for vring 255",
      () => front.send(frame(R.SET_VRING_CALL, u64(0xff)), [eventfd]),
      /there is no vring 255/,
    ],
    ["zero entries", () => front.send(frame(R.SET_VRING_NUM, state(0, 0))), /cannot have 0 entries/],
    [
      "too many entries",
      () => front.send(frame(R.SET_VRING_NUM, state(0, 65536))),
      /cannot have 65536 entries/,
    ],
    [
      "a base beyond 16 bits",
      () => front.send(frame(R.SET_VRING_BASE, state(0, 65536))),
      /cannot start at index 65536/,
    ],
    [
      "a kick for an empty ring",
      () => front.send(frame(R.SET_VRING_KICK, u64(0)), [eventfd]),
      /SET_KICK is not allowed while vring 0 is empty/,
    ],
    [
      "a kick without a descriptor",
      () => front.send(frame(R.SET_VRING_KICK, u64(0x100))),
      /without a kick descriptor/,
    ],
    ...(
      [
        [33n, "ACCESS_PLATFORM", "iommu_platform=off"],
        [34n, "RING_PACKED", "packed=off"],
        [35n, "IN_ORDER", "in_order=off"],
        [38n, "NOTIFICATION_DATA", "notification_data=off"],
      ] as const
    ).map(([bit, name, option]): [string, () => void, RegExp] => [
      `${name}, which was not offered`,
      () => front.send(frame(R.SET_FEATURES, u64(features | (1n << bit) | (1n << 40n)))),
      new RegExp(`takes ${name}, which was not offered: turn it off in the VMM \\(QEMU: ${option}\\)`),
    ]),
    [
      "a call that is no eventfd",
      () => front.send(frame(R.SET_VRING_CALL, u64(0)), [ram]),
      /SET_VRING_CALL brought a descriptor that is no eventfd/,
    ],
    [
      "an err descriptor that is no eventfd",
      () => front.send(frame(R.SET_VRING_ERR, u64(0)), [front.fd]),
      /SET_VRING_ERR brought a descriptor that is no eventfd/,
    ],
    [
      "a kick that is no eventfd",
      () => front.send(frame(R.SET_VRING_KICK, u64(0)), [ram]),
      /SET_VRING_KICK brought a descriptor that is no eventfd/,
    ],
    [
      "a call that lacks its descriptor",
      () => front.send(frame(R.SET_VRING_CALL, u64(0))),
      /brought 0 descriptors instead of one/,
    ],
    [
      "a call with two descriptors",
      () => front.send(frame(R.SET_VRING_CALL, u64(0)), [eventfd, eventfd]),
      /brought 2 descriptors/,
    ],
    [
      "a short SET_VRING_ADDR",
      () => front.send(frame(R.SET_VRING_ADDR, new Uint8Array(39))),
      /payload of 39 bytes/,
    ],
    [
      "a memory table that is cut",
      () => front.send(frame(R.SET_MEM_TABLE, table(region(0, 1, 0)).slice(0, 39)), [ram]),
      /payload of 39 bytes/,
    ],
    [
      "a memory table without a count",
      () => front.send(frame(R.SET_MEM_TABLE, new Uint8Array(4))),
      /payload of 4 bytes/,
    ],
    [
      "a memory table of 33 regions",
      () => front.send(frame(R.SET_MEM_TABLE, joined(state(33, 0), new Uint8Array(33 * 32))), []),
      /SET_MEM_TABLE has a payload/,
    ],
    [
      "a memory table of 4 billion regions",
      () => front.send(frame(R.SET_MEM_TABLE, state(0xffff_ffff, 0))),
      /SET_MEM_TABLE has a payload/,
    ],
    [
      "a memory table with too few descriptors",
      () => front.send(frame(R.SET_MEM_TABLE, table(region(0, 1, 0), region(1, 1, 1))), [ram]),
      /names 2 regions but brought 1 descriptors: is share=on missing/,
    ],
    [
      "a memory table with too many",
      () => front.send(frame(R.SET_MEM_TABLE, table(region(0, 1, 0))), [ram, ram]),
      /names 1 regions but brought 2 descriptors$/,
    ],
    [
      "an empty region",
      () => front.send(frame(R.ADD_MEM_REG, single(0, 0, ramAt)), [ram]),
      /a memory region is empty/,
    ],
    [
      "a region that wraps",
      () => front.send(frame(R.ADD_MEM_REG, single(2 ** 53 - 1, 4096, ramAt)), [ram]),
      /wraps around/,
    ],
    [
      "a region beyond 2^53",
      () => front.send(frame(R.ADD_MEM_REG, single(2 ** 60, 4096, ramAt)), [ram]),
      /guest address 0x1000000000000000 is too large/,
    ],
    [
      "a region without its descriptor",
      () => front.send(frame(R.ADD_MEM_REG, single(0, 4096, ramAt))),
      /ADD_MEM_REG brought no descriptor: is share=on missing from the VMM's memory backend\?/,
    ],
    [
      "removing what is not there",
      () => front.send(frame(R.REM_MEM_REG, single(0x5000, 4096, ramAt))),
      /REM_MEM_REG names no region: guest address 0x5000/,
    ],
    [
      "a short REM_MEM_REG",
      () => front.send(frame(R.REM_MEM_REG, new Uint8Array(32))),
      /payload of 32 bytes/,
    ],
    [
      "a configuration without its header",
      () => front.send(frame(R.GET_CONFIG, new Uint8Array(11))),
      /payload of 11 bytes/,
    ],
    [
      "an inflight record of three queues",
      () => front.send(frame(R.GET_INFLIGHT_FD, inflight(3, 8))),
      /3 queues with 8 entries makes no sense/,
    ],
    [
      "an inflight record of no entries",
      () => front.send(frame(R.GET_INFLIGHT_FD, inflight(2, 0))),
      /2 queues with 0 entries/,
    ],
    [
      "an inflight record of too many entries",
      () => front.send(frame(R.SET_INFLIGHT_FD, inflight(2, 32769)), [ram]),
      /with 32769 entries/,
    ],
    [
      "an inflight record that is too small",
      () => front.send(frame(R.SET_INFLIGHT_FD, inflight(2, 64, 100)), [ram]),
      /2 queues with 64 entries cannot have 100 bytes/,
    ],
    [
      "an inflight record that is cut",
      () => front.send(frame(R.GET_INFLIGHT_FD, new Uint8Array(19))),
      /payload of 19 bytes/,
    ],
    [
      "a log without its descriptor",
      () => front.send(frame(R.SET_LOG_BASE, joined(u64(4096), u64(0)))),
      /SET_LOG_BASE brought 0/,
    ],
    [
      "a log size beyond 2^53",
      () => front.send(frame(R.SET_LOG_BASE, joined(u64(1n << 60n), u64(0))), [ram]),
      /log size .* is too large/,
    ],
    [
      "a display socket that is missing",
      () => front.send(frame(R.GPU_SET_SOCKET)),
      /GPU_SET_SOCKET brought 0/,
    ],
    [
      "a display socket that is none",
      () => front.send(frame(R.GPU_SET_SOCKET), [ram]),
      /GPU_SET_SOCKET brought no socket where a connected Unix stream socket is due/,
    ],
    [
      "a back-end's channel that is no socket",
      () => front.send(frame(R.SET_BACKEND_REQ_FD), [eventfd]),
      /SET_BACKEND_REQ_FD brought no socket where a connected Unix stream socket is due/,
    ],
    [
      "a display socket for packets",
      () => {
        const pair = socketPair("seqpacket");
        front.send(frame(R.GPU_SET_SOCKET), [pair[0]]);
        pair.forEach(closeFd);
      },
      /GPU_SET_SOCKET brought a socket for packets/,
    ],
  ];
  for (const [name, send, text] of cases) {
    test(name, () => {
      send();
      expectViolation(text);
    });
  }

  test("a ring in no memory region", () => {
    front.tell(R.SET_FEATURES, u64(features));
    front.tell(R.SET_VRING_NUM, state(0, 8));
    front.tell(R.SET_VRING_ADDR, addresses(0));
    front.send(frame(R.SET_VRING_KICK, u64(0)), [eventfd]);
    expectViolation(
      /descriptor table of vring 0 at front-end address 0x7f0000000000 lies in no memory region that is shared: is share=on missing/,
    );
  });

  test("moving or resizing a running ring", () => {
    startRings();
    front.send(frame(R.SET_VRING_ADDR, addresses(0, { desc: 64 })));
    expectViolation(/vring 0 cannot be moved while it runs/);
    startAgain();
    front.send(frame(R.SET_VRING_NUM, state(1, 8)));
    expect(front.isClosed).toBe(true);
    expect(bench.context.logged.at(-1)!.text).toMatch(/vring 1 cannot have another size while it runs/);
  });

  test("every request that needs a payload, without one", () => {
    const without = [
      R.GET_FEATURES,
      R.GET_PROTOCOL_FEATURES,
      R.GET_QUEUE_NUM,
      R.GET_MAX_MEM_SLOTS,
    ] as number[];
    const bare = [R.SET_OWNER, R.RESET_OWNER, R.RESET_DEVICE] as number[];
    for (const request of Object.values(RequestType)) {
      if (without.includes(request) || bare.includes(request)) continue;
      begin();
      front.send(frame(request));
      if (!front.isClosed) expect(requestName(request)).toBe("closed");
    }
  });

  test("a message that stops in the middle", () => {
    front.send(frame(R.SET_FEATURES, u64(1)).subarray(0, 15));
    front.close();
    bench.serve();
    expect(bench.context.logged.at(-1)!.text).toMatch(/went away in the middle of a message/);
  });

  /** Another front-end takes the place of the last one, with rings that run. */
  function startAgain(): void {
    begin();
    startRings();
  }
});

describe("the end of a session", () => {
  test("resets the queues, drops memory and log, and tells the display", () => {
    startRings();
    const log = createMemfd("log", 4096);
    front.ask(R.SET_LOG_BASE, joined(u64(4096), u64(0)), [log]);
    front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
    bench.forget();
    bench.said("display");
    front.close();
    bench.serve();

    expect(bench.told.filter(({ type }) => type === "reset")).toHaveLength(2);
    expect(bench.told.filter(({ type }) => type === "map-memory")).toMatchObject([
      { regions: [] },
      { regions: [] },
    ]);
    expect(bench.told.filter(({ type }) => type === "log-pages")).toMatchObject([{ fd: -1 }, { fd: -1 }]);
    expect(bench.said("display").map(({ type }) => type)).toContain("vmm-socket-closed");
    expect(bench.context.logged).toMatchObject([{ level: "info", text: "the front-end has disconnected" }]);
    closeFd(log);
  });

  test("waits for a queue that is in one long command, and says so once", () => {
    startRings();
    bench.dying = "ctrl-queue";
    let waits = 0;
    bench.context.onLate = () => {
      if (++waits < 3) return;
      bench.dying = null;
      const { token } = bench.told.findLast(({ to, type }) => to === "ctrl-queue" && type === "reset") as {
        token: number;
      };
      bench.context.arriving.push(() =>
        bench.context.deliver(bench.actor, { type: "done", token, error: "" }),
      );
    };
    front.close();
    bench.serve();

    expect(waits).toBe(3);
    expect(bench.context.logged.map(({ level, text }) => `${level}: ${text}`)).toEqual([
      "info: the front-end has disconnected",
      "warning: waiting for the ctrl-queue, which is in one long command",
      "info: the session goes on after 0 s",
    ]);
    expect(number(bench.connect().ask(R.GET_FEATURES).payload)).toBe(features);
  });

  test("waits no longer where the session is to stop, and asks nothing more of whom it waited for", () => {
    startRings();
    bench.dying = "ctrl-queue";
    let waits = 0;
    bench.context.onLate = () => {
      waits++;
      bench.context.stopping = true;
    };
    front.close();
    bench.serve();
    bench.actor.stop();

    expect(waits).toBe(2);
    expect(bench.context.logged.filter(({ level }) => level === "warning")).toEqual([]);
  });

  test("keeps no descriptor, however far the session got", () => {
    front.close();
    bench.serve();
    bench.forget();
    const before = openFds();
    for (let round = 0; round < 30; round++) {
      front = bench.connect();
      startRings();
      front.tell(R.SET_BACKEND_REQ_FD, undefined, [socket]);
      front.tell(R.GPU_SET_SOCKET, undefined, [socket]);
      front.ask(R.SET_LOG_BASE, joined(u64(4096), u64(0)), [ram]);
      front.tell(R.SET_VRING_ERR, u64(0), [eventfd]);
      for (const fd of front.ask(R.GET_INFLIGHT_FD, inflight(2, 64)).fds) closeFd(fd);
      if (round % 3 === 0) front.tell(R.RESET_DEVICE);
      if (round % 3 === 1) front.send(frame(4711), [eventfd, ram]);
      front.close();
      bench.serve();
      bench.forget();
      bench.said("display");
    }
    expect(openFds()).toBe(before);
  });

  test("another front-end waits until the first has gone", () => {
    const second = bench.connect();
    second.send(frame(R.GET_FEATURES));
    expect(second.replies()).toEqual([]);
    front.close();
    bench.serve();

    expect(second.replies()).toMatchObject([{ payload: u64(features) }]);
  });

  test("with --once the session closes, and nobody else is served", () => {
    begin("--once");
    const second = bench.connect();
    second.send(frame(R.GET_FEATURES));
    front.close();
    bench.serve();

    expect(sessionStates()).toEqual(["closed"]);
    expect(second.replies()).toEqual([]);
  });

  test("a front-end that was killed with answers unread is no violation", () => {
    front.send(joined(frame(R.GET_FEATURES), frame(R.GET_FEATURES)));
    front.close();
    bench.serve();

    expect(bench.context.counters[SessionCounter.violations]).toBe(0);
    expect(bench.context.logged).toMatchObject([{ level: "info" }]);
  });

  test("a front-end that never stops asking leaves others their turn", () => {
    const count = 200;
    front.post(joined(...Array.from({ length: count }, () => frame(R.SET_OWNER))));
    let rounds = 0;
    for (; bench.context.counters[SessionCounter.requests]! < count; rounds++) bench.context.epoll.wait(0);

    expect(rounds).toBeGreaterThan(10);
  });

  test("requests are counted", () => {
    front.ask(R.GET_FEATURES);
    front.tell(R.SET_OWNER);
    expect(bench.context.counters[SessionCounter.requests]).toBe(2);
    expect(bench.context.counters[SessionCounter.sessions]).toBe(1);
  });
});

describe("what is no refusal is a bug, which no session may survive", () => {
  /** The next message that is sent runs into a bug. */
  beforeEach(() => {
    const { onSend } = bench.context;
    bench.context.onSend = () => {
      bench.context.onSend = onSend;
      throw new TypeError("a bug");
    };
  });

  test("in a request", () => {
    expect(() => front.send(frame(R.RESET_DEVICE))).toThrow(TypeError);
  });

  test("where a front-end has hung up", () => {
    front.close();
    expect(() => bench.serve()).toThrow(TypeError);
  });
});

describe("a host that is out of descriptors", () => {
  test("lets a front-end wait until there are some, and tells the log", () => {
    front.close();
    bench.serve();
    bench.context.logged.length = 0;
    const { after } = bench.context.timers;
    let retry = (): void => undefined;
    bench.context.timers.after = (_, run) => {
      retry = run;
      return () => undefined;
    };

    const late = bench.dial();
    withoutDescriptors(() => bench.serve());
    expect(bench.context.logged).toMatchObject([
      { level: "warning", text: "a front-end has to wait: the host is out of descriptors or memory" },
    ]);
    late.send(frame(R.GET_FEATURES));
    expect(late.replies()).toEqual([]);

    bench.context.timers.after = after;
    retry();
    bench.serve();
    expect(late.replies()).toMatchObject([{ payload: u64(features) }]);
  });

  test("ends a session whose descriptors it has no room for, and keeps none of them", () => {
    const memory = frame(R.SET_MEM_TABLE, table(region(0, ramBytes, ramAt)));
    // Room for none, for the one that comes, and for one of the queues' two.
    for (const room of [0, 1, 2]) {
      begin();
      front.post(memory, [ram]);
      withDescriptors(room, () => bench.serve());
      expect(front.isClosed).toBe(true);
      expect(bench.context.logged.at(-1)!.text).toMatch(/^the session failed: /);
      expect(number(bench.connect().ask(R.GET_FEATURES).payload)).toBe(features);
    }
  });

  test("ends a session whose ring it has no room for, and keeps nothing of that", () => {
    for (const room of [1, 2]) {
      begin();
      startRings();
      front.ask(R.GET_VRING_BASE, state(0, 0));
      front.post(frame(R.SET_VRING_KICK, u64(0)), [eventfd]);
      withDescriptors(room, () => bench.serve());
      expect(front.isClosed).toBe(true);
      expect(bench.context.logged.at(-1)!.text).toMatch(/^the session failed: duplicating fd/);
    }
  });
});

test("a duplicate of the eventfd that a test sends is the session's own", () => {
  const copy = duplicateFd(eventfd);
  front.tell(R.SET_VRING_CALL, u64(0), [copy]);
  closeFd(copy);
  expect(front.isClosed).toBe(false);
});
