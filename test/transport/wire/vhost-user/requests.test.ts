// Every vhost-user request, decoded: what it says when it is sound, and what is wrong with it when it is not.
import { afterEach, describe, expect, test } from "bun:test";
import { libc } from "../../../../src/ffi/libc.ts";
import { closeFd, createEventfd, createMemfd } from "../../../../src/transport/os/fds.ts";
import { socketPair } from "../../../../src/transport/os/unix-socket.ts";
import type { Message } from "../../../../src/transport/wire/vhost-user/channel.ts";
import {
  RequestType,
  requestName,
  tableRegionsMax,
} from "../../../../src/transport/wire/vhost-user/protocol.ts";
import { ProtocolError } from "../../../../src/transport/wire/vhost-user/protocol-error.ts";
import { decodeRequest, type VhostRequest } from "../../../../src/transport/wire/vhost-user/requests.ts";

const open: number[] = [];
const kept = (fd: number): number => {
  open.push(fd);
  return fd;
};
afterEach(() => open.splice(0).forEach(closeFd));

const fds = {
  eventfd: () => kept(createEventfd()),
  memfd: () => kept(createMemfd("test", 4096)),
  stream: () => socketPair("stream").map(kept)[0]!,
  packets: () => socketPair("seqpacket").map(kept)[0]!,
  pipe: () => {
    const ends = new Int32Array(2);
    libc.pipe2(ends, 0);
    return [...ends].map(kept)[1]!;
  },
};
type Kind = keyof typeof fds;

/** A payload of fields: 8 bytes for a bigint, 4 for a number, and bytes as they are. */
function bytesOf(...fields: (number | bigint | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap((field) => {
      if (field instanceof Uint8Array) return [...field];
      const view = new DataView(new ArrayBuffer(typeof field === "bigint" ? 8 : 4));
      if (typeof field === "bigint") view.setBigUint64(0, BigInt.asUintN(64, field), true);
      else view.setUint32(0, field, true);
      return [...new Uint8Array(view.buffer)];
    }),
  );
}

function message(request: number, payload: Uint8Array, kinds: readonly Kind[]): Message {
  // Behind a header, as it lies in the channel's memory.
  const memory = new Uint8Array(12 + payload.length);
  memory.set(payload, 12);
  const view = new DataView(memory.buffer, 12, payload.length);
  return { request, needsReply: false, payload: view, fds: kinds.map((kind) => fds[kind]()) };
}

const region = (guest: bigint, size: bigint, user: bigint, offset: bigint): Uint8Array =>
  bytesOf(guest, size, user, offset);
const regionAt = (guestAddress: number): object => ({
  guestAddress,
  size: 4096,
  userAddress: 2 ** 46,
  fdOffset: 8192,
});
const some = region(4096n, 4096n, 2n ** 46n, 8192n);
const inflight = bytesOf(1024n, 64n, (256 << 16) | 2, 0);
const tooLarge = 2n ** 53n;
const nothing = new Uint8Array(0);
/** What is sound with no descriptor at all, or with any that it does not ask for. */
const bare: [number, string][] = [
  [RequestType.GET_FEATURES, "GET_FEATURES"],
  [RequestType.GET_PROTOCOL_FEATURES, "GET_PROTOCOL_FEATURES"],
  [RequestType.GET_QUEUE_NUM, "GET_QUEUE_NUM"],
  [RequestType.GET_MAX_MEM_SLOTS, "GET_MAX_MEM_SLOTS"],
  [RequestType.SET_OWNER, "SET_OWNER"],
  [RequestType.RESET_OWNER, "RESET_OWNER"],
  [RequestType.RESET_DEVICE, "RESET_DEVICE"],
  [RequestType.GET_SHMEM_CONFIG, "GET_SHMEM_CONFIG"],
  [RequestType.CHECK_DEVICE_STATE, "CHECK_DEVICE_STATE"],
];

type Sound = [request: number, payload: Uint8Array, kinds: Kind[], says: object];
const sound: Sound[] = [
  ...bare.map(([request]): Sound => [request, nothing, [], {}]),
  ...[RequestType.SET_FEATURES, RequestType.SET_PROTOCOL_FEATURES].map((request): Sound => [
    request,
    bytesOf(2n ** 64n - 1n),
    [],
    { features: 2n ** 64n - 1n },
  ]),
  ...[RequestType.SET_VRING_NUM, RequestType.SET_VRING_BASE].map((request): Sound => [
    request,
    bytesOf(7, 0xffff_ffff),
    [],
    { vring: 7, num: 0xffff_ffff },
  ]),
  [RequestType.GET_VRING_BASE, bytesOf(1, 9), [], { vring: 1 }],
  [RequestType.SET_VRING_ENABLE, bytesOf(1, 0), [], { vring: 1, enabled: false }],
  [RequestType.SET_VRING_ENABLE, bytesOf(0, 1), [], { vring: 0, enabled: true }],
  [
    RequestType.SET_VRING_ADDR,
    bytesOf(1, 1, 0x1000n, 0x2000n, 0x3000n, 0x4000n),
    [],
    { vring: 1, addresses: { logsUsed: true, desc: 0x1000, used: 0x2000, avail: 0x3000, log: 0x4000 } },
  ],
  [
    RequestType.SET_VRING_ADDR,
    bytesOf(0, 0xffff_fffe, 0n, 0n, 0n, 0n),
    [],
    { vring: 0, addresses: { logsUsed: false, desc: 0, used: 0, avail: 0, log: 0 } },
  ],
  ...[RequestType.SET_VRING_KICK, RequestType.SET_VRING_CALL, RequestType.SET_VRING_ERR].flatMap(
    (request): Sound[] => [
      [request, bytesOf(5n), ["eventfd"], { vring: 5, fd: "0" }],
      [request, bytesOf(0x1ffn), [], { vring: 255, fd: -1 }],
      // Whatever the upper bytes say.
      [request, bytesOf(0xffff_ffff_ffff_0001n), ["eventfd"], { vring: 1, fd: "0" }],
    ],
  ),
  [RequestType.SET_MEM_TABLE, bytesOf(0, 0), [], { regions: [] }],
  [
    RequestType.SET_MEM_TABLE,
    bytesOf(2, 0, some, region(0x10000n, 4096n, 2n ** 46n, 8192n)),
    ["memfd", "memfd"],
    {
      regions: [
        { ...regionAt(4096), fd: "0" },
        { ...regionAt(0x10000), fd: "1" },
      ],
    },
  ],
  // QEMU sends the whole array, whatever the count says.
  [
    RequestType.SET_MEM_TABLE,
    bytesOf(1, 0, some, some),
    ["memfd"],
    { regions: [{ ...regionAt(4096), fd: "0" }] },
  ],
  [RequestType.ADD_MEM_REG, bytesOf(0n, some), ["memfd"], { region: regionAt(4096), fd: "0" }],
  [RequestType.REM_MEM_REG, bytesOf(0n, some), [], { region: regionAt(4096) }],
  [RequestType.REM_MEM_REG, bytesOf(0n, some), ["memfd"], { region: regionAt(4096) }],
  [RequestType.SET_LOG_BASE, bytesOf(4096n, 64n), ["memfd"], { size: 4096, offset: 64, fd: "0" }],
  [RequestType.SET_LOG_FD, nothing, ["pipe"], { fd: "0" }],
  [RequestType.SET_BACKEND_REQ_FD, nothing, ["stream"], { fd: "0" }],
  [RequestType.GPU_SET_SOCKET, nothing, ["stream"], { fd: "0" }],
  ...[RequestType.GET_CONFIG, RequestType.SET_CONFIG].flatMap((request): Sound[] => [
    [
      request,
      bytesOf(4, 2, 1, Uint8Array.of(8, 9)),
      [],
      { offset: 4, size: 2, flags: 1, data: Uint8Array.of(8, 9) },
    ],
    // Whether they are there is the device's to say.
    [request, bytesOf(0, 0xffff_ffff, 0), [], { offset: 0, size: 0xffff_ffff, flags: 0, data: nothing }],
  ]),
  [RequestType.GET_INFLIGHT_FD, inflight, [], { queueCount: 2, queueSize: 256, bytes: 24 }],
  [RequestType.GET_INFLIGHT_FD, inflight.slice(0, 20), [], { queueCount: 2, queueSize: 256, bytes: 20 }],
  [
    RequestType.SET_INFLIGHT_FD,
    inflight,
    ["memfd"],
    { queueCount: 2, queueSize: 256, bytes: 24, size: 1024, offset: 64, fd: "0" },
  ],
  // What they mean, and what the descriptor is good for, is the session's to say.
  [RequestType.SET_DEVICE_STATE_FD, bytesOf(1, 7), ["pipe"], { direction: 1, phase: 7, fd: "0" }],
];

type Faulty = [what: string, request: number, payload: Uint8Array, kinds: Kind[], text: RegExp];
const size = (bytes: number): RegExp => new RegExp(`has a payload of ${bytes} bytes$`);
/** One byte too few, and one too many. */
const cut = (request: number, payload: Uint8Array, kinds: Kind[] = []): Faulty[] =>
  [payload.slice(1), bytesOf(payload, Uint8Array.of(0))].map((wrong) => [
    `of ${wrong.length} bytes`,
    request,
    wrong,
    kinds,
    size(wrong.length),
  ]);
const withoutDescriptor = (request: number, payload: Uint8Array, kind: Kind): Faulty[] => [
  ["without its descriptor", request, payload, [], /brought 0 descriptors instead of one/],
  ["with two descriptors", request, payload, [kind, kind], /brought 2 descriptors instead of one/],
];

const faulty: Faulty[] = [
  ...cut(RequestType.SET_FEATURES, bytesOf(1n)),
  ...cut(RequestType.SET_PROTOCOL_FEATURES, bytesOf(1n)),
  ...[
    RequestType.SET_VRING_NUM,
    RequestType.SET_VRING_BASE,
    RequestType.GET_VRING_BASE,
    RequestType.SET_VRING_ENABLE,
  ].flatMap((request) => cut(request, bytesOf(0, 0))),
  ...cut(RequestType.SET_VRING_ADDR, bytesOf(0, 0, 0n, 0n, 0n, 0n)),
  ...["descriptor table", "used ring", "avail ring", "used ring log"].map((what, index): Faulty => {
    const addresses = [0n, 0n, 0n, 0n].map((_, at) => (at === index ? tooLarge : 0n));
    return [
      `with a ${what} beyond 2^53`,
      RequestType.SET_VRING_ADDR,
      bytesOf(0, 0, ...addresses),
      [],
      new RegExp(`^${what} 0x20000000000000 is too large$`),
    ];
  }),
  ...[RequestType.SET_VRING_KICK, RequestType.SET_VRING_CALL, RequestType.SET_VRING_ERR].flatMap(
    (request): Faulty[] => [
      ...cut(request, bytesOf(0n), ["eventfd"]),
      ...withoutDescriptor(request, bytesOf(0n), "eventfd"),
      ...(["pipe", "stream", "memfd"] as const).map((kind): Faulty => [
        `with a ${kind}`,
        request,
        bytesOf(0n),
        [kind],
        /brought a descriptor that is no eventfd$/,
      ]),
    ],
  ),
  ["of 7 bytes", RequestType.SET_MEM_TABLE, bytesOf(0, 0).slice(1), [], size(7)],
  [
    "with a region cut short",
    RequestType.SET_MEM_TABLE,
    bytesOf(1, 0, some).slice(0, 39),
    ["memfd"],
    size(39),
  ],
  ["of 2^32 - 1 regions", RequestType.SET_MEM_TABLE, bytesOf(0xffff_ffff, 0, some), ["memfd"], size(40)],
  [
    "of too many regions",
    RequestType.SET_MEM_TABLE,
    bytesOf(tableRegionsMax + 1, 0, ...Array.from({ length: tableRegionsMax + 1 }, () => some)),
    [],
    size(8 + (tableRegionsMax + 1) * 32),
  ],
  [
    "with too few descriptors",
    RequestType.SET_MEM_TABLE,
    bytesOf(1, 0, some),
    [],
    /names 1 regions but brought 0 .* share=on/,
  ],
  [
    "with too many descriptors",
    RequestType.SET_MEM_TABLE,
    bytesOf(0, 0),
    ["memfd"],
    /names 0 regions but brought 1 descriptors$/,
  ],
  ...["guest address", "region size", "front-end address", "region offset"].flatMap(
    (what, index): Faulty[] => {
      const fields = [0n, 0n, 0n, 0n].map((_, at) => (at === index ? 2n ** 64n - 1n : 0n));
      const wrong = bytesOf(...fields);
      const text = new RegExp(`^${what} 0xffffffffffffffff is too large$`);
      return [
        [`with a ${what} beyond 2^53`, RequestType.SET_MEM_TABLE, bytesOf(1, 0, wrong), ["memfd"], text],
        [`with a ${what} beyond 2^53`, RequestType.ADD_MEM_REG, bytesOf(0n, wrong), ["memfd"], text],
        [`with a ${what} beyond 2^53`, RequestType.REM_MEM_REG, bytesOf(0n, wrong), [], text],
      ];
    },
  ),
  ...cut(RequestType.ADD_MEM_REG, bytesOf(0n, some), ["memfd"]),
  ...cut(RequestType.REM_MEM_REG, bytesOf(0n, some)),
  [
    "without its descriptor",
    RequestType.ADD_MEM_REG,
    bytesOf(0n, some),
    [],
    /brought no descriptor: is share=on missing/,
  ],
  [
    "with two descriptors",
    RequestType.ADD_MEM_REG,
    bytesOf(0n, some),
    ["memfd", "memfd"],
    /brought 2 descriptors/,
  ],
  ...cut(RequestType.SET_LOG_BASE, bytesOf(0n, 0n), ["memfd"]),
  ...withoutDescriptor(RequestType.SET_LOG_BASE, bytesOf(0n, 0n), "memfd"),
  [
    "of a size beyond 2^53",
    RequestType.SET_LOG_BASE,
    bytesOf(tooLarge, 0n),
    ["memfd"],
    /^log size .* is too large$/,
  ],
  [
    "at an offset beyond 2^53",
    RequestType.SET_LOG_BASE,
    bytesOf(0n, tooLarge),
    ["memfd"],
    /^log offset .* too large$/,
  ],
  ...withoutDescriptor(RequestType.SET_LOG_FD, nothing, "eventfd"),
  ...[RequestType.SET_BACKEND_REQ_FD, RequestType.GPU_SET_SOCKET].flatMap((request): Faulty[] => [
    ...withoutDescriptor(request, nothing, "stream"),
    [
      "with a pipe",
      request,
      nothing,
      ["pipe"],
      /brought no socket where a connected Unix stream socket is due/,
    ],
    ["with a socket for packets", request, nothing, ["packets"], /brought a socket for packets/],
  ]),
  ...[RequestType.GET_CONFIG, RequestType.SET_CONFIG].map((request): Faulty => [
    "without its header",
    request,
    bytesOf(0, 0, 0).slice(1),
    [],
    size(11),
  ]),
  ...[RequestType.GET_INFLIGHT_FD, RequestType.SET_INFLIGHT_FD].flatMap((request): Faulty[] => [
    ["of 19 bytes", request, inflight.slice(0, 19), ["memfd"], size(19)],
    ["of 25 bytes", request, bytesOf(inflight, Uint8Array.of(0)), ["memfd"], size(25)],
  ]),
  ...withoutDescriptor(RequestType.SET_INFLIGHT_FD, inflight, "memfd"),
  [
    "of a size beyond 2^53",
    RequestType.SET_INFLIGHT_FD,
    bytesOf(tooLarge, 0n, 0, 0),
    ["memfd"],
    /^inflight size/,
  ],
  [
    "at an offset beyond 2^53",
    RequestType.SET_INFLIGHT_FD,
    bytesOf(0n, tooLarge, 0, 0),
    ["memfd"],
    /^inflight offset/,
  ],
  ...cut(RequestType.SET_DEVICE_STATE_FD, bytesOf(0, 0), ["pipe"]),
  ...withoutDescriptor(RequestType.SET_DEVICE_STATE_FD, bytesOf(0, 0), "pipe"),
  ["that is not known", 4711, nothing, [], /^request 4711 was not negotiated or is not known$/],
  ["that was never offered", RequestType.SET_STATUS, bytesOf(0n), [], /^SET_STATUS was not negotiated/],
];

/** What a request says, with its descriptors by their place in the message. */
function placed(value: unknown, { fds: numbers }: Message): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map((one) => placed(one, { fds: numbers } as Message));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const isFd = key === "fd" && (inner as number) >= 0;
      return [
        key,
        isFd ? String(numbers.indexOf(inner as number)) : placed(inner, { fds: numbers } as Message),
      ];
    }),
  );
}

describe("a sound request", () => {
  sound.forEach(([request, payload, kinds, says], index) => {
    test(`${requestName(request)} says what it brings (${index})`, () => {
      const whole = message(request, payload, kinds);
      const before = [...whole.fds];

      expect(placed(decodeRequest(whole), whole)).toEqual({ type: requestName(request), ...says });
      // Whoever keeps a descriptor takes it out.
      expect(whole.fds).toEqual(before);
    });
  });
});

describe("a faulty request", () => {
  faulty.forEach(([what, request, payload, kinds, text]) => {
    test(`${requestName(request)} ${what} is refused in words`, () => {
      const whole = message(request, payload, kinds);
      expect(() => decodeRequest(whole)).toThrow(ProtocolError);
      expect(() => decodeRequest(whole)).toThrow(text);
      expect(whole.fds).toHaveLength(kinds.length);
    });
  });
});

test("every request that is decoded is tried, sound and, where it brings anything, faulty", () => {
  const decoded: number[] = Object.values(RequestType).filter((request) => {
    try {
      decodeRequest(message(request, nothing, []));
      return true;
    } catch (error) {
      return !(error as Error).message.includes("was not negotiated");
    }
  });
  const tried = new Set<number>(sound.map(([request]) => request));
  expect(decoded.filter((request) => !tried.has(request))).toEqual([]);
  const refused = new Set<number>(faulty.map(([, request]) => request));
  const names = bare.map(([request]) => request);
  expect(decoded.filter((request) => !refused.has(request))).toEqual(names.toSorted((a, b) => a - b));
  expect(bare.map(([, type]) => type)).toEqual(
    names.map((request) => (decodeRequest(message(request, nothing, [])) satisfies VhostRequest).type),
  );
});
