// Whatever a front-end sends, in whatever order, while queues come and go: each request has at most one reply, which is its own,
// and the session goes on or ends in words. Nothing is thrown past it, and no descriptor is left.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { closeFd, createEventfd, createMemfd } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { RequestType } from "../../src/transport/wire/vhost-user/protocol.ts";
import { type Front, frame, SessionBench } from "../support/session-bench.ts";

const ramAt = 2n ** 46n;
const ramBytes = 0x10_0000n;

const u32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
const u64 = (value: bigint): number[] => [
  ...new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer),
];

const ring = fc.constantFrom(0, 1, 0, 1, 0, 1, 2, 0xffff_ffff);
const count = fc.constantFrom(0, 1, 8, 64, 64, 32_768, 65_536);
const place = fc.constantFrom(0n, 0x1000n, 0x2000n, 0x3000n, ramBytes, 2n ** 60n).map((at) => ramAt + at);
const feature = fc.oneof(
  fc.constantFrom(0x1_7400_0002n, 0x1_4000_0000n, 0x1_0000_0000n, 0n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 41n }),
);
const region = fc
  .oneof(
    { weight: 4, arbitrary: fc.constant([0n, ramBytes, ramAt, 0n]) },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.constantFrom(0n, ramBytes, 2n ** 53n),
        fc.constantFrom(ramBytes, 0n, 4096n),
        fc.constantFrom(ramAt, 0n),
        fc.constant(0n),
      ),
    },
  )
  .map((fields) => fields.flatMap(u64));
const state = fc.tuple(ring, count).map((fields) => fields.flatMap(u32));
const vringFd = fc
  .tuple(ring, fc.boolean())
  .map(([index, hasFd]) => u64(BigInt(index & 0xff) | (hasFd ? 0n : 0x100n)));
const range = fc
  .tuple(
    fc.constantFrom(0, 4, 8, 250, 0xffff_ffff),
    fc.constantFrom(0, 4, 16, 0xffff_ffff),
    fc.constantFrom(4, 16),
  )
  .map(([offset, size, room]) => [...u32(offset), ...u32(size), ...u32(0), ...new Uint8Array(room).fill(1)]);
const record = fc
  .tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(0, 64), fc.constantFrom(0n, 4096n))
  .map(([queues, size, bytes]) => [...u64(bytes), ...u64(0n), ...u32((size << 16) | queues), ...u32(0)]);

const R = RequestType;
const nothing = fc.constant<number[]>([]);
/** What a request says when it is about right. */
const payloads: Partial<Record<number, fc.Arbitrary<number[]>>> = {
  [R.SET_FEATURES]: feature.map(u64),
  [R.SET_PROTOCOL_FEATURES]: fc.constantFrom(0n, 8n, 0xffffn).map(u64),
  [R.SET_MEM_TABLE]: region.map((one) => [...u32(1), ...u32(0), ...one]),
  [R.ADD_MEM_REG]: region.map((one) => [...u64(0n), ...one]),
  [R.REM_MEM_REG]: region.map((one) => [...u64(0n), ...one]),
  [R.SET_LOG_BASE]: fc.constantFrom(4096n, 0n, 2n ** 60n).map((size) => [...u64(size), ...u64(0n)]),
  [R.SET_VRING_NUM]: state,
  [R.SET_VRING_BASE]: state,
  [R.GET_VRING_BASE]: state,
  [R.SET_VRING_ENABLE]: state,
  [R.SET_VRING_ADDR]: fc
    .tuple(ring, fc.constantFrom(0, 1), place, place, place)
    .map(([index, flags, ...parts]) => [...u32(index), ...u32(flags), ...parts.flatMap(u64), ...u64(0n)]),
  [R.SET_VRING_KICK]: vringFd,
  [R.SET_VRING_CALL]: vringFd,
  [R.SET_VRING_ERR]: vringFd,
  [R.GET_CONFIG]: range,
  [R.SET_CONFIG]: range,
  [R.GET_INFLIGHT_FD]: record,
  [R.SET_INFLIGHT_FD]: record,
};
const kinds = ["memfd", "eventfd", "socket"] as const;
type Kind = (typeof kinds)[number];
/** What each brings when it is right. */
const brings: Partial<Record<number, Kind>> = {
  [R.SET_MEM_TABLE]: "memfd",
  [R.ADD_MEM_REG]: "memfd",
  [R.SET_LOG_BASE]: "memfd",
  [R.SET_LOG_FD]: "eventfd",
  [R.SET_INFLIGHT_FD]: "memfd",
  [R.SET_VRING_KICK]: "eventfd",
  [R.SET_VRING_CALL]: "eventfd",
  [R.SET_VRING_ERR]: "eventfd",
  [R.SET_BACKEND_REQ_FD]: "socket",
  [R.GPU_SET_SOCKET]: "socket",
};

interface Asked {
  do: "ask";
  request: number;
  payload: number[];
  fds: Kind[];
  flags: number;
}
type Step =
  Asked | { do: "crash" | "die" | "lose-display" | "refuse" | "display-changed" | "hang-up" | "start-ring" };

const rarely = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd });

const asked: fc.Arbitrary<Asked> = rarely(
  fc.constantFrom<number>(...Object.values(R), R.REM_MEM_REG, R.REM_MEM_REG, R.SET_VRING_ENABLE),
  fc.nat(0xffff_ffff),
).chain((request) => {
  const right = brings[request];
  return fc.record({
    do: fc.constant("ask" as const),
    request: fc.constant(request),
    payload: rarely(payloads[request] ?? nothing, fc.array(fc.nat(255), { maxLength: 60 })),
    fds: rarely(
      fc.constant<Kind[]>(right === undefined ? [] : [right]),
      fc.array(fc.constantFrom(...kinds), { maxLength: 3 }),
    ),
    flags: fc.constantFrom(1, 9),
  });
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: asked },
  { weight: 2, arbitrary: fc.constant({ do: "start-ring" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("crash", "die", "lose-display", "refuse", "display-changed", "hang-up"),
    }),
  },
);

test("a session answers each request once or ends in words, and leaves nothing behind", () => {
  const fds: Record<Kind, number> = {
    memfd: createMemfd("ram", Number(ramBytes)),
    eventfd: createEventfd(),
    socket: -1,
  };
  const [socket, other] = socketPair("stream");
  fds.socket = socket;

  const ask = (front: Front, { request, payload, fds: names, flags }: Asked): void => {
    front.send(
      frame(request, Uint8Array.from(payload), flags),
      names.map((name) => fds[name]),
    );
    const replies = front.replies();
    expect(replies.length).toBeLessThanOrEqual(1);
    for (const reply of replies) {
      expect([reply.request, reply.flags]).toEqual([request, 5]);
      reply.fds.forEach(closeFd);
    }
  };
  const startRing = (front: Front): void => {
    const one = (request: number, payload: number[], ...names: Kind[]): void =>
      ask(front, { do: "ask", request, payload, fds: names, flags: 1 });
    one(R.SET_FEATURES, u64(0x1_7400_0002n));
    one(R.SET_MEM_TABLE, [...u32(1), ...u32(0), ...[0n, ramBytes, ramAt, 0n].flatMap(u64)], "memfd");
    one(R.SET_VRING_NUM, [...u32(1), ...u32(64)]);
    one(R.SET_VRING_ADDR, [
      ...u32(1),
      ...u32(0),
      ...[0n, 0x2000n, 0x1000n].flatMap((at) => u64(ramAt + at)),
      ...u64(0n),
    ]);
    one(R.SET_VRING_KICK, u64(1n), "eventfd");
    one(R.SET_VRING_ENABLE, [...u32(1), ...u32(1)]);
  };
  const crash = (bench: SessionBench): void => {
    bench.losePeer("cursor-queue");
    bench.context.arriving.push(() => bench.returnPeer("cursor-queue"));
  };
  const run = (bench: SessionBench, front: Front, { do: what }: Exclude<Step, Asked>): void => {
    const { context } = bench;
    if (what === "start-ring") startRing(front);
    else if (what === "crash") crash(bench);
    else if (what === "die") {
      bench.dying = "cursor-queue";
      context.arriving.push(() => {
        bench.dying = null;
        crash(bench);
      });
    } else if (what === "lose-display") {
      bench.losePeer("display");
      bench.returnPeer("display");
    } else if (what === "refuse") bench.errors.set("ring-start", "it does not like it");
    else if (what === "display-changed") bench.actor.receive({ type: "display-changed" });
    else front.close();
    bench.serve();
    while (context.isRung()) context.drain();
  };

  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const bench = new SessionBench();
      try {
        let front = bench.connect();
        for (const one of steps) {
          if (one.do === "ask") ask(front, one);
          else run(bench, front, one);
          bench.forget();
          bench.said("supervisor");
          bench.said("display");
          if (front.isClosed) front = bench.connect();
        }
      } finally {
        bench.close();
      }
    }),
    { numRuns: 150 },
  );
  for (const fd of [...Object.values(fds), other]) closeFd(fd);
});
