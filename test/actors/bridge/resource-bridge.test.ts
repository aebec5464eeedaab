// The resource bridge with real sockets and a ctrl queue that the test plays: one answer for each request, in order, and
// peers of every kind of bad manners.

import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { bridgeCounters } from "../../../src/actors/bridge/counters.ts";
import { takeTimeoutMs } from "../../../src/actors/bridge/peer.ts";
import type { ResourceBridgeMessage } from "../../../src/actors/bridge/messages.ts";
import { ResourceBridge } from "../../../src/actors/bridge/resource-bridge.ts";
import { cString, libc } from "../../../src/ffi/libc.ts";
import {
  BridgeClient,
  type BridgeClientOptions,
  BridgeFailure,
} from "../../../src/transport/wire/bridge/client.ts";
import { packetBytesMax } from "../../../src/transport/wire/bridge/protocol.ts";
import { closeFd, createEventfd, createMemfd } from "../../../src/transport/os/fds.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { listenUnix } from "../../../src/transport/os/unix-path.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { isOpen, openFds } from "../../support/fds.ts";
import { withoutDescriptors } from "../../support/limits.ts";

let folder: string;
let paths: string[];
let context: FakeContext;
let bridge: ResourceBridge;
let clients: BridgeClient[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-bridge-"));
  paths = [join(folder, "wl"), join(folder, "video")];
  clients = [];
  context = new FakeContext("resource-bridge", configOf(paths));
  bridge = new ResourceBridge(context);
});
afterEach(() => {
  for (const client of clients) client.close();
  bridge.stop();
  context.close();
  rmSync(folder, { recursive: true });
});

const configOf = (sockets: readonly string[]) =>
  serverConfig(...sockets.map((path) => `--resource-bridge=${path}`));

function connect(path = paths[0]!, options: BridgeClientOptions = {}): BridgeClient {
  const client = new BridgeClient(path, { patienceMs: 1_000, ...options });
  clients.push(client);
  return client;
}

function hangUp(client: BridgeClient): void {
  clients = clients.filter((one) => one !== client);
  client.close();
}

/** Serves what is ready, until nothing is. */
function serve(): void {
  for (let rounds = 0; context.epoll.wait(0) > 0; rounds++) {
    if (rounds === 10_000) throw new Error("the bridge does not come to rest");
  }
}

const counters = (): Record<string, number> =>
  Object.fromEntries(bridgeCounters.map((name, index) => [name, context.counters[index]!]));

const asked = () => context.take("ctrl-queue");

/** What the ctrl queue was asked for: all of it resources. */
function resourcesAsked(): { token: number; resource: number | string }[] {
  return asked().map((message) => {
    if (message.type !== "ask-buffer") throw new Error(`asked for ${message.type}`);
    return { token: message.token, resource: message.resource };
  });
}

const layout = { stride: 256, offset: 0, modifierHigh: 0, modifierLow: 0 };

const memory = (bytes = 4096): number => createMemfd("lent", bytes);

function lend(token: number): void {
  context.deliver(bridge, { type: "buffer", token, fd: memory(), ...layout });
}

function refuse(token: number): void {
  context.deliver(bridge, { type: "buffer", token, fd: -1, ...layout });
}

const getBuffer = (id: number): Uint8Array => new TextEncoder().encode(`{"GetBuffer":{"id":${id}}}`);
const getResource = (id: number): Uint8Array => Uint8Array.of(0, id, 0, 0, 0);
const decode = (packet: Uint8Array): string => new TextDecoder().decode(packet);

describe("what a process lends that is somebody else's by now", () => {
  /** A memfd whose holder may cut it off at any time. */
  function unsealed(): number {
    const noSealing = 0;
    const fd = libc.memfd_create(cString("loose"), noSealing);
    libc.ftruncate(fd, 4096);
    return fd;
  }
  function socket(): number {
    const [one, other] = socketPair("stream");
    closeFd(other);
    return one;
  }
  const opened = (path: string): number => openSync(path, "r");
  test.each<[string, () => number, object]>([
    ["memory that could be cut off", unsealed, {}],
    ["a file", () => opened(import.meta.path), {}],
    ["a folder", () => opened("/"), {}],
    ["a device", () => opened("/dev/zero"), {}],
    ["an eventfd", createEventfd, {}],
    ["a socket", socket, {}],
    ["memory that ends before its first row does", memory, { offset: 4000 }],
    ["memory that has no byte", () => memory(0), { stride: 0 }],
    ["an offset that is no number", memory, { offset: "4" }],
    ["a stride below nothing", memory, { stride: -4 }],
    ["half a modifier", memory, { modifierHigh: 0.5 }],
  ])("reaches no peer, and is closed: %s", (_, make, odd) => {
    const before = openFds();
    const client = connect();
    client.send(getBuffer(1));
    serve();
    const { token } = resourcesAsked()[0]!;
    const message = { type: "buffer", token, fd: make(), ...layout, ...odd } as ResourceBridgeMessage;
    // As of a process, whose messages are not held against a schema.
    if (!context.asks.takes(message)) throw new Error("nobody has asked for that");
    expect(decode(client.receivePacket().packet)).toBe('"Invalid"');
    expect(context.logged.at(-1)).toMatchObject({ level: "warning" });
    expect(context.logged.at(-1)!.text).toStartWith("a buffer is not lent: its ");
    expect(counters()).toMatchObject({ invalid: 1, buffersLent: 0 });
    hangUp(client);
    serve();
    expect(openFds()).toBe(before);
  });

  test("is no fence where it is a file, or memory", () => {
    for (const fd of [memory(), opened(import.meta.path)]) {
      const client = connect();
      client.send(new TextEncoder().encode('{"GetFence":{"seqno":9}}'));
      serve();
      const { token } = asked()[0] as { token: number };
      context.deliver(bridge, { type: "fence", token, fd });
      expect(isOpen(fd)).toBe(false);
      expect(context.logged.at(-1)!.text).toBe("a fence is not lent: its descriptor is no fence");
    }
    expect(counters()).toMatchObject({ invalid: 2, fencesLent: 0 });
  });
});

describe("a peer", () => {
  for (const [form, request] of [
    ["json", getBuffer(7)],
    ["2019", getResource(7)],
  ] as const) {
    test(`that speaks the form ${form} is lent the ctrl queue's very file`, () => {
      const client = connect(paths[0], { form });
      client.send(request);
      serve();
      const { token, resource } = resourcesAsked()[0]!;
      expect(resource).toBe(7);
      const fd = memory();
      writeSync(fd, "its bytes", 0);
      context.deliver(bridge, { type: "buffer", token, fd, ...layout });

      expect(isOpen(fd)).toBe(false);
      const lent = client.receive();
      const bytes = Buffer.alloc(9);
      readSync(lent.fd, bytes, 0, 9, 0);
      expect(`${bytes}`).toBe("its bytes");
      expect(lent).toMatchObject(
        form === "json" ? { kind: "buffer", planes: [{ offset: 0, stride: 256 }], modifier: 0n } : {},
      );
      closeFd(lent.fd);
    });
  }

  test("is told offset, stride and every bit of the modifier", () => {
    const client = connect();
    client.send(getBuffer(1));
    serve();
    const fd = memory(0x8000_0000 + 0xffff_fffc);
    const { token } = resourcesAsked()[0]!;
    const [modifierHigh, modifierLow] = [0xfedc_ba98, 0xf654_3211];
    context.deliver(bridge, {
      type: "buffer",
      token,
      fd,
      stride: 0xffff_fffc,
      offset: 0x8000_0000,
      modifierHigh,
      modifierLow,
    });
    const lent = client.receive();
    expect(lent).toMatchObject({
      planes: [{ offset: 0x8000_0000, stride: 0xffff_fffc }],
      modifier: 0xfedc_ba98_f654_3211n,
    });
    closeFd(lent.fd);
  });

  test("may ask for a fence by any u64", () => {
    const client = connect();
    for (const [seqno, fenceHigh, fenceLow] of [
      [2n ** 64n - 1n, 0xffff_ffff, 0xffff_ffff],
      [2n ** 53n + 1n, 0x20_0000, 1],
      [0n, 0, 0],
    ] as const) {
      client.send(new TextEncoder().encode(`{"GetFence":{"seqno":${seqno}}}`));
      serve();
      const [message] = asked();
      expect(message).toMatchObject({ type: "ask-fence", fenceHigh, fenceLow });
      const fd = createEventfd();
      context.deliver(bridge, { type: "fence", token: (message as { token: number }).token, fd });
      const lent = client.receive();
      expect(lent.kind).toBe("fence");
      closeFd(lent.fd);
    }
    expect(counters()).toMatchObject({ requests: 3, fencesLent: 3, buffersLent: 0 });
  });

  test("is refused in its own form", () => {
    for (const [request, answer] of [
      [getBuffer(1), '"Invalid"'],
      [getResource(1), "\u0001"],
    ] as const) {
      const client = connect();
      client.send(request);
      serve();
      refuse(resourcesAsked()[0]!.token);
      const { packet, fds } = client.receivePacket();
      expect(decode(packet)).toBe(answer);
      expect(fds).toEqual([]);
    }
  });

  test("may speak both forms on one connection, and is answered in the order of its requests", () => {
    const client = connect();
    for (const request of [getBuffer(1), getResource(2), getBuffer(3)]) client.send(request);
    for (const [resource, answer] of [
      [1, '"Invalid"'],
      [2, "\u0001"],
      [3, '"Invalid"'],
    ] as const) {
      serve();
      // The next is not even looked at before this one is answered.
      const requests = resourcesAsked();
      expect(requests).toMatchObject([{ resource }]);
      refuse(requests[0]!.token);
      expect(decode(client.receivePacket().packet)).toBe(answer);
    }
  });

  test("is not kept waiting by another, on the same path or on another", () => {
    const [first, second, third] = [connect(), connect(), connect(paths[1])];
    first.send(getBuffer(1));
    second.send(getBuffer(2));
    third.send(getResource(3));
    serve();
    const requests = resourcesAsked().toSorted((one, other) => Number(other.resource) - Number(one.resource));
    expect(requests.map(({ resource }) => resource)).toEqual([3, 2, 1]);
    for (const [index, client] of [third, second, first].entries()) {
      lend(requests[index]!.token);
      closeFd(client.receivePacket().fds[0]!);
    }
    expect(counters()).toMatchObject({ peers: 3, requests: 3, buffersLent: 3, invalid: 0 });
  });
});

describe("a peer without manners", () => {
  test("that sends rubbish is told so, in the form that its first byte says, and then served", () => {
    const client = connect();
    for (const [packet, answer] of [
      [Uint8Array.of(0), "\u0001"],
      [Uint8Array.of(0, 1, 0, 0, 0, 0), "\u0001"],
      [Uint8Array.of(31, 1, 0, 0, 0), "\u0001"],
      [Uint8Array.of(0xff), '"Invalid"'],
      [new TextEncoder().encode("GET / HTTP/1.1"), '"Invalid"'],
      [new TextEncoder().encode('{"GetBuffer":{"id":-1}}'), '"Invalid"'],
    ] as const) {
      client.send(packet);
      serve();
      expect(decode(client.receivePacket().packet)).toBe(answer);
    }
    expect(asked()).toEqual([]);
    expect(counters()).toMatchObject({ peers: 1, requests: 6, invalid: 6 });
    client.send(getBuffer(5));
    serve();
    expect(resourcesAsked()).toMatchObject([{ resource: 5 }]);
  });

  test("that sends too long a packet is refused, and what follows is a packet of its own", () => {
    const client = connect();
    const padded = (bytes: number): Uint8Array => {
      const packet = new Uint8Array(bytes).fill(0x20);
      packet.set(getBuffer(6));
      return packet;
    };
    client.send(padded(packetBytesMax));
    serve();
    refuse(resourcesAsked()[0]!.token);
    expect(client.receive().kind).toBe("invalid");
    for (const bytes of [packetBytesMax + 1, 16 * packetBytesMax]) {
      client.send(padded(bytes));
      client.send(getBuffer(7));
      serve();
      expect(client.receive().kind).toBe("invalid");
      const requests = resourcesAsked();
      expect(requests).toMatchObject([{ resource: 7 }]);
      refuse(requests[0]!.token);
      expect(client.receive().kind).toBe("invalid");
    }
  });

  test("that sends descriptors gives them away for nothing", () => {
    const client = connect();
    serve();
    const before = openFds();
    const fds = Array.from({ length: 32 }, createEventfd);
    for (const packet of [getBuffer(1), Uint8Array.of(9), new Uint8Array(packetBytesMax + 1)]) {
      client.send(packet, fds);
      serve();
      for (const { token } of resourcesAsked()) refuse(token);
      expect(client.receivePacket().fds).toEqual([]);
    }
    fds.forEach(closeFd);
    expect(openFds()).toBe(before);
  });

  test("that hangs up while it is being asked for leaves nothing behind", () => {
    const before = openFds();
    const client = connect();
    client.send(getBuffer(1));
    serve();
    hangUp(client);
    serve();
    expect(counters()["peers"]).toBe(0);
    const fd = memory();
    context.deliver(bridge, { type: "buffer", token: resourcesAsked()[0]!.token, fd, ...layout });
    expect(isOpen(fd)).toBe(false);
    expect(openFds()).toBe(before);
  });

  test("that hangs up unnoticed before its answer is sent leaves nothing behind", () => {
    const before = openFds();
    const client = connect();
    client.send(getBuffer(1));
    serve();
    hangUp(client);
    lend(resourcesAsked()[0]!.token);
    expect(counters()["peers"]).toBe(0);
    expect(openFds()).toBe(before);
  });

  test("that hangs up with requests and answers under way leaves nothing behind", () => {
    const before = openFds();
    const client = connect();
    for (let id = 0; id < 20; id++) client.send(getBuffer(id));
    for (let id = 0; id < 2; id++) {
      serve();
      lend(resourcesAsked()[0]!.token);
    }
    hangUp(client);
    serve();
    for (const { token } of resourcesAsked()) lend(token);
    serve();
    expect(counters()["peers"]).toBe(0);
    expect(openFds()).toBe(before);
  });

  /** Fills a peer's socket with answers until the bridge holds one back; answers how many were sent. */
  function fill(client: BridgeClient, deadlines: (() => void)[]): number {
    for (let answers = 0; answers < 100; answers++) {
      client.send(getBuffer(answers));
      serve();
      const [request] = resourcesAsked();
      if (request === undefined) throw new Error("the bridge no longer reads");
      lend(request.token);
      if (deadlines.length > 0) return answers;
    }
    throw new Error("a hundred answers that nobody reads were not too many");
  }

  /** Timers of the bridge, which run when the test says so. */
  function holdTimers(): { deadlines: (() => void)[]; cancelled: () => number; restore: () => void } {
    const deadlines: (() => void)[] = [];
    let cancelled = 0;
    const spy = spyOn(context.timers, "after").mockImplementation((ms, run) => {
      expect(ms).toBe(takeTimeoutMs);
      deadlines.push(run);
      return () => cancelled++;
    });
    return { deadlines, cancelled: () => cancelled, restore: () => spy.mockRestore() };
  }

  test("that never reads is dropped, has few answers until then, and keeps nobody waiting", () => {
    const timers = holdTimers();
    const [sloth, other] = [connect(), connect()];
    serve();
    const before = openFds();
    const sent = fill(sloth, timers.deadlines);
    expect(sent).toBeLessThan(20);
    // One answer is held back for it.
    expect(openFds()).toBe(before + 1);
    // Its requests wait with the kernel.
    sloth.send(getBuffer(99));
    serve();
    expect(resourcesAsked()).toEqual([]);

    other.send(getBuffer(7));
    serve();
    lend(resourcesAsked()[0]!.token);
    closeFd(other.receive().fd);

    timers.deadlines[0]!();
    timers.restore();
    expect(counters()).toMatchObject({ peers: 1, peersDropped: 1 });
    // Its own descriptor is closed too.
    expect(openFds()).toBe(before - 1);
    expect(() => sloth.receive()).toThrow(BridgeFailure);
  });

  test("that reads late gets all of its answers in order", () => {
    const timers = holdTimers();
    const client = connect();
    const sent = fill(client, timers.deadlines);
    client.send(getResource(9));
    for (let answers = 0; answers <= sent; answers++) {
      closeFd(client.receive().fd);
      serve();
    }
    timers.restore();
    expect(timers.cancelled()).toBe(1);
    expect(resourcesAsked()).toMatchObject([{ resource: 9 }]);
    expect(counters()).toMatchObject({ peers: 1, peersDropped: 0, buffersLent: sent + 1 });
  });

  test("is one of too many: more than fit are refused, and there is room again when one goes", () => {
    const before = openFds();
    const { bridgePeersMax: peersMax } = serverConfig();
    const many = Array.from({ length: peersMax }, (_, index) => connect(paths[index % 2]));
    for (let round = 0; round <= peersMax / 32; round++) serve();
    expect(counters()).toMatchObject({ peers: peersMax, peersRefused: 0 });

    const late = connect();
    serve();
    expect(() => late.receive()).toThrow(BridgeFailure);
    expect(counters()).toMatchObject({ peers: peersMax, peersRefused: 1 });

    hangUp(many[0]!);
    serve();
    const next = connect();
    next.send(getBuffer(1));
    serve();
    expect(resourcesAsked()).toMatchObject([{ resource: 1 }]);
    for (const client of clients.slice()) hangUp(client);
    serve();
    expect(counters()["peers"]).toBe(0);
    expect(openFds()).toBe(before);
  });

  test("of any kind makes the bridge neither throw nor lose a descriptor", () => {
    const packet = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc.nat(0xffff_ffff).map(getBuffer),
      fc.nat(255).map(getResource),
    );
    const step = fc.record({
      peer: fc.nat(3),
      packet,
      fds: fc.nat(2),
      answer: fc.boolean(),
      leaves: fc.nat(9),
    });
    const before = openFds();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const peers = Array.from({ length: 4 }, () => connect());
        for (const { peer, packet: content, fds, answer, leaves } of steps) {
          const given = Array.from({ length: fds }, createEventfd);
          peers[peer]!.send(content, given);
          given.forEach(closeFd);
          serve();
          for (const { token } of resourcesAsked()) {
            if (answer) lend(token);
            else refuse(token);
          }
          if (leaves === 0) {
            hangUp(peers[peer]!);
            peers[peer] = connect();
          }
        }
        peers.forEach(hangUp);
        serve();
        for (const { token } of resourcesAsked()) lend(token);
        expect(counters()["peers"]).toBe(0);
        expect(openFds()).toBe(before);
      }),
      { numRuns: 100 },
    );
  });
});

describe("listening", () => {
  test("leaves no socket behind", () => {
    expect(paths.map((path) => existsSync(path))).toEqual([true, true]);
    bridge.stop();
    expect(paths.map((path) => existsSync(path))).toEqual([false, false]);
  });

  test("replaces a socket that a dead server left", () => {
    const path = join(folder, "stale");
    closeFd(listenUnix(path, "seqpacket"));
    const next = new FakeContext("resource-bridge", configOf([path]));
    const other = new ResourceBridge(next);
    expect(next.take("supervisor").filter(({ type }) => type !== "log")).toEqual([]);
    connect(path);
    other.stop();
    next.close();
  });

  test("where another server listens, or where a file lies, ends the device at its start", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    for (const [path, reason] of [
      [
        paths[0]!,
        `no resource bridge: another process is listening on ${paths[0]}: stop it, or choose another path`,
      ],
      [file, `no resource bridge: ${file} exists and is not a socket: choose another path`],
    ]) {
      const next = new FakeContext("resource-bridge", configOf([path!]));
      const other = new ResourceBridge(next);
      expect(next.take("supervisor")).toEqual([{ type: "failed", reason: reason! }]);
      other.stop();
      next.close();
    }
    expect(existsSync(file)).toBe(true);
    connect();
  });

  test("that fails in a successor is told in the log, and ends nothing", () => {
    bridge.stop();
    const squatter = listenUnix(paths[0]!, "seqpacket");
    const next = new FakeContext("resource-bridge", context.config, context.keep);
    const other = new ResourceBridge(next);
    expect(next.take("supervisor")).toEqual([]);
    expect(next.logged.filter(({ level }) => level === "error")).toEqual([
      {
        level: "error",
        text: `no resource bridge: another process is listening on ${paths[0]}: stop it, or choose another path`,
      },
    ]);
    connect(paths[1]);
    other.stop();
    next.close();
    closeFd(squatter);
  });

  test("and peers that never stop asking take one turn each", () => {
    const flood = [connect(), connect()];
    for (let events = 1; events <= 2; events++) {
      context.epoll.wait(0);
      expect(counters()["peers"]).toBe(events);
    }
    for (const client of flood) for (let count = 0; count < 5; count++) client.send(Uint8Array.of(0xff));
    for (let events = 1; events <= 5; events++) {
      context.epoll.wait(0);
      expect(counters()["requests"]).toBe(2 * events);
      for (const client of flood) expect(client.receive().kind).toBe("invalid");
    }
  });

  test("pauses when a peer cannot be accepted, and goes on", () => {
    const pauses: (() => void)[] = [];
    const spy = spyOn(context.timers, "after").mockImplementation((_, run) => {
      pauses.push(run);
      return () => {};
    });
    const client = connect();
    client.send(getBuffer(3));
    withoutDescriptors(serve);
    spy.mockRestore();
    expect(pauses).toHaveLength(1);
    expect(context.logged.map(({ text }) => text).join()).toContain("out of descriptors or memory");
    pauses[0]!();
    serve();
    expect(resourcesAsked()).toMatchObject([{ resource: 3 }]);
  });
});

test("a successor asks with tokens of its own, and takes no answer of its predecessor's", () => {
  const first = connect();
  first.send(getBuffer(1));
  serve();
  const [old] = asked();
  expect(old).toMatchObject({ type: "ask-buffer" });
  bridge.stop();
  expect(() => first.receive()).toThrow(BridgeFailure);

  bridge = new ResourceBridge((context = new FakeContext("resource-bridge", context.config, context.keep)));
  const second = connect();
  second.send(getBuffer(2));
  serve();
  const [request] = asked();
  expect(request).toMatchObject({ type: "ask-buffer", resource: 2 });
  const late = memory();
  context.deliver(bridge, { type: "buffer", token: (old as { token: number }).token, fd: late, ...layout });
  expect(isOpen(late)).toBe(false);
  refuse((request as { token: number }).token);
  expect(second.receive().kind).toBe("invalid");
});
