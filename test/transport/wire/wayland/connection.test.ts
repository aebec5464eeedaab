// A client's connection: what it sends in pieces, what it receives in pieces, and what a compositor may not send.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { closeFd, createEventfd, setNonBlocking } from "../../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair, WOULD_BLOCK } from "../../../../src/transport/os/unix-socket.ts";
import { ReportedError, WaylandConnection } from "../../../../src/transport/wire/wayland/connection.ts";
import { parseMessages } from "../../../../src/transport/wire/wayland/descriptions.ts";
import {
  WlCallback,
  WlCompositor,
  WlPointer,
  WlShm,
  WlSurface,
  XdgToplevel,
  ZwpLinuxDmabufFeedbackV1,
} from "../../../../src/transport/wire/wayland/protocol.ts";
import { encodeMessage, WaylandError } from "../../../../src/transport/wire/wayland/wire.ts";
import { withoutDuplicates } from "../../../support/errno.ts";
import { openFds } from "../../../support/fds.ts";

const bufferBytes = 1 << 20;

let io: SocketIo;
let memory: NativeMemory;
let theirs: number;
let client: WaylandConnection;

beforeEach(() => {
  io = new SocketIo();
  memory = NativeMemory.allocate(bufferBytes);
  connect();
});
afterEach(() => {
  disconnect();
  memory.unmap();
  io.close();
});

function connect(): void {
  const [ours, other] = socketPair("stream");
  setNonBlocking(ours);
  setNonBlocking(other);
  theirs = other;
  client = new WaylandConnection(io, ours);
}

function disconnect(): void {
  client.close();
  closeFd(theirs);
}

function send(bytes: Uint8Array, fds: readonly number[] = []): void {
  new Uint8Array(memory.view()).set(bytes);
  io.clear();
  io.gather(memory.address, bytes.length);
  expect(io.send(theirs, fds)).toBe(bytes.length);
}

/** What the client has sent since the last time, and how many descriptors; those are closed. */
function read(): { bytes: Uint8Array; fds: number } {
  const parts: Uint8Array[] = [];
  let fds = 0;
  for (;;) {
    const received = io.receive(theirs, memory.address, bufferBytes);
    if (received === WOULD_BLOCK) return { bytes: Buffer.concat(parts), fds };
    parts.push(new Uint8Array(memory.view(), 0, received).slice());
    fds += io.receivedFds.length;
    io.receivedFds.forEach(closeFd);
  }
}

const event = (id: number, opcode: number, ...words: number[]): Uint8Array =>
  new Uint8Array(Uint32Array.from([id, ((8 + words.length * 4) << 16) | opcode, ...words]).buffer);

describe("requests", () => {
  test("more than the socket takes go later, whole, in order and with their descriptors", () => {
    const shm = client.create(WlShm, 1);
    const toplevel = client.create(XdgToplevel, 1);
    const count = 50;
    const before = openFds();
    const own = createEventfd();
    for (let size = 1; size <= count; size++) {
      shm.createPool(own, size);
      toplevel.setTitle("x".repeat(60_000));
    }
    closeFd(own);
    let fds = 0;
    const parts: Uint8Array[] = [];
    for (let isDone = false; !isDone;) {
      isDone = client.flush();
      const part = read();
      parts.push(part.bytes);
      fds += part.fds;
    }
    expect(parts.length).toBeGreaterThan(2);
    expect(fds).toBe(count);
    expect(openFds()).toBe(before);
    const bytes = Buffer.concat(parts);
    const sizes: number[] = [];
    let at = 0;
    for (; at < bytes.length; at += bytes.readUInt32LE(at + 4) >>> 16) {
      if (bytes.readUInt32LE(at) === shm.id) sizes.push(bytes.readInt32LE(at + 12));
    }
    expect(at).toBe(bytes.length);
    expect(sizes).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });

  test("that nobody reads end the connection at 4 MiB, and their descriptors are closed", () => {
    const shm = client.create(WlShm, 1);
    const toplevel = client.create(XdgToplevel, 1);
    const before = openFds();
    const own = createEventfd();
    const fill = (): void => {
      for (let round = 0; round < 100; round++) {
        shm.createPool(own, 1);
        toplevel.setTitle("x".repeat(60_000));
        client.flush();
      }
    };
    expect(fill).toThrow("the compositor does not read its socket");
    client.close();
    closeFd(own);
    // One socket is closed; the other holds what was sent.
    expect(openFds()).toBe(before - 1);
  });

  test("use the id of an object again once the compositor has forgotten it, and not before", () => {
    const surface = client.create(WlSurface, 4);
    surface.destroy();
    const next = client.create(WlSurface, 4);
    expect(next.id).not.toBe(surface.id);
    send(event(1, 1, surface.id));
    client.receive();
    expect(client.create(WlSurface, 4).id).toBe(surface.id);
  });

  test("for which there is no descriptor end the connection, as what follows would make no sense", () => {
    const shm = client.create(WlShm, 1);
    const own = createEventfd();
    const before = openFds();
    withoutDuplicates(() => shm.createPool(own, 4096).createBuffer(0, 1, 1, 4, 1));

    expect(() => client.flush()).toThrow("EMFILE");

    expect(read()).toEqual({ bytes: Buffer.alloc(0), fds: 0 });
    expect(openFds()).toBe(before);
    closeFd(own);
  });

  test("that make objects without end do so up to 65,536", () => {
    const surface = client.create(WlSurface, 4);
    for (let count = 0; count < 65_540; count++) surface.frame();
    expect(() => client.flush()).toThrow("more than 65536 objects");
  });

  test("of a destroyed object are a bug", () => {
    const surface = client.create(WlSurface, 4);
    surface.destroy();
    expect(() => surface.commit()).toThrow("is destroyed");
  });
});

describe("events", () => {
  test("that come in pieces are heard once, when they are whole", () => {
    const toplevel = client.create(XdgToplevel, 1);
    const heard: unknown[] = [];
    toplevel.listener = { configure: (...values) => heard.push(values) };
    const whole = event(toplevel.id, 0, 7, 8, 4, 2);
    for (const byte of [...whole, ...whole]) {
      send(Uint8Array.of(byte));
      expect(client.receive()).toBe("nothing");
    }
    const states = Uint8Array.of(2, 0, 0, 0);
    expect(heard).toEqual([
      [7, 8, states],
      [7, 8, states],
    ]);
  });

  test("bring descriptors to those who listen, and lose none elsewhere", () => {
    const before = openFds();
    const fd = createEventfd();
    const listening = client.create(ZwpLinuxDmabufFeedbackV1, 4);
    const deaf = client.create(ZwpLinuxDmabufFeedbackV1, 4);
    const destroyed = client.create(ZwpLinuxDmabufFeedbackV1, 4);
    destroyed.destroy();
    const heard: number[] = [];
    listening.listener = { formatTable: (table, size) => heard.push(table, size) };
    destroyed.listener = listening.listener;
    const types = ZwpLinuxDmabufFeedbackV1.interface.events[1]!.arguments;
    for (const { id } of [deaf, destroyed, listening]) {
      const { bytes, fds } = encodeMessage(id, 1, types, [fd, id]);
      send(bytes, fds);
    }
    closeFd(fd);
    client.receive();
    expect(heard[1]).toBe(listening.id);
    expect(openFds()).toBe(before + 1);
    closeFd(heard[0]!);
  });

  test("that report an error say of what", () => {
    const surface = client.create(WlSurface, 4);
    const types = parseMessages(["error o u s"])[0]!.arguments;
    send(encodeMessage(1, 0, types, [surface.id, 3, "no such thing"]).bytes);
    let error: unknown;
    try {
      client.receive();
    } catch (cause) {
      error = cause;
    }
    expect(error).toBeInstanceOf(ReportedError);
    expect((error as ReportedError).object).toBe(surface);
    expect((error as ReportedError).message).toContain("error 3 of wl_surface: no such thing");
  });

  test("end where the compositor hangs up", () => {
    closeFd(theirs);
    theirs = -1;
    expect(client.receive()).toBe("closed");
  });
});

describe("a hostile compositor", () => {
  /** Objects of ids 2 to 7, with events of every kind of argument, heard by nobody or by all. */
  function populate(isHeard: boolean): void {
    const types = [WlCompositor, WlCallback, WlSurface, WlPointer, XdgToplevel, ZwpLinuxDmabufFeedbackV1];
    for (const type of types) {
      const object = client.create<WlSurface>(type as unknown as typeof WlSurface, type.interface.version);
      const hear = (...values: unknown[]): void => {
        if (type === (ZwpLinuxDmabufFeedbackV1 as unknown) && values.length === 2)
          closeFd(values[0] as number);
      };
      if (isHeard)
        object.listener = new Proxy({}, { get: (_, name) => (name === "formatTable" ? hear : () => {}) });
    }
  }

  /** Receives whatever came; anything but an error of Wayland's goes on. */
  function survive(): boolean {
    try {
      client.receive();
      return true;
    } catch (error) {
      if (!(error instanceof WaylandError)) throw error;
      return false;
    }
  }

  const word = fc.oneof(
    fc.nat({ max: 9 }),
    fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_fffd, 0xffff_ffff, 0xff00_0000),
    fc.nat({ max: 0xffff_ffff }),
  );
  const message = fc
    .tuple(fc.nat({ max: 8 }), fc.nat({ max: 10 }), fc.array(word, { maxLength: 6 }))
    .map(([id, opcode, words]) => event(id, opcode, ...words));

  test.each([
    ["anything", fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 4 })],
    ["messages of nonsense", fc.array(message, { maxLength: 8 })],
  ])("may send %s: it ends the connection or means nothing", (_, sent) => {
    disconnect();
    const before = openFds();
    fc.assert(
      fc.property(sent, fc.boolean(), fc.nat({ max: 3 }), (parts, isHeard, fdCount) => {
        connect();
        populate(isHeard);
        const fd = createEventfd();
        for (const part of parts) {
          send(
            part,
            Array.from({ length: fdCount }, () => fd),
          );
          if (!survive()) break;
        }
        closeFd(fd);
        disconnect();
        expect(openFds()).toBe(before);
      }),
      { numRuns: 300 },
    );
    connect();
  });

  test("that sends descriptors for nothing is left", () => {
    const fd = createEventfd();
    const flood = (): void => {
      for (let round = 0; round < 300; round++) {
        send(Uint8Array.of(1), [fd]);
        client.receive();
      }
    };
    try {
      expect(flood).toThrow(WaylandError);
    } finally {
      closeFd(fd);
    }
  });

  test("that never stops sending is left waiting after 64 KiB, and heard on", () => {
    const toplevel = client.create(XdgToplevel, 1);
    const close = event(toplevel.id, 1);
    const packet = Buffer.concat(Array.from({ length: 1_000 }, () => close));
    let heard = 0;
    toplevel.listener = {
      // As much comes as was taken, and so for ever; but not where this test fails.
      close: () => {
        if (++heard % 1_000 === 0 && heard < 200_000) send(packet);
      },
    };
    send(packet);

    expect(client.receive()).toBe("more");

    expect(heard).toBe(65_536 / close.length);
    expect(client.receive()).toBe("more");
    expect(heard).toBe((2 * 65_536) / close.length);
  });
});
