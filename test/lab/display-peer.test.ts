// The VMM's end of the display socket, fed by hand.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DisplayPeer } from "../../lab/vmm/display-peer.ts";
import { Pump } from "../../lab/driver/pump.ts";
import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import { DisplayRequest } from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { openFds } from "../support/fds.ts";

let pump: Pump;
let io: SocketIo;
let backend: number;
let peer: DisplayPeer;
const memory = NativeMemory.allocate(2 ** 20);
const bytes = new Uint8Array(memory.view());

beforeEach(() => {
  pump = new Pump(200);
  io = new SocketIo();
  const [ours, theirs] = socketPair("stream");
  backend = theirs;
  peer = new DisplayPeer(ours, pump);
});

afterEach(() => {
  peer.free();
  closeFd(backend);
  io.close();
  pump.close();
});

/** Sends one message of u32 fields and bytes, with a descriptor or -1, and lets the peer read it. */
function send(
  request: number,
  fields: readonly number[] = [],
  data = new Uint8Array(0),
  flags = 0,
  fd = -1,
): void {
  const size = fields.length * 4 + data.length;
  bytes.set(new Uint8Array(Uint32Array.of(request, flags, size, ...fields).buffer));
  bytes.set(data, 12 + fields.length * 4);
  io.clear();
  io.gather(memory.address, 12 + size);
  expect(io.send(backend, fd < 0 ? [] : [fd])).toBe(12 + size);
  pump.drain();
}

/** What the peer has sent, or null. */
function reply(): DataView | null {
  const count = io.receive(backend, memory.address, bytes.length);
  return count === WOULD_BLOCK ? null : new DataView(bytes.slice(0, count).buffer);
}

const colours = (...words: number[]) => new Uint8Array(Uint32Array.from(words).buffer);

describe("pictures", () => {
  test("updates land in the scanout's framebuffer", () => {
    send(DisplayRequest.SCANOUT, [2, 3, 2]);
    send(DisplayRequest.UPDATE, [2, 0, 0, 3, 2], colours(1, 2, 3, 4, 5, 6));
    send(DisplayRequest.UPDATE, [2, 1, 1, 2, 1], colours(8, 9));
    expect(peer.framebuffer(2)).toMatchObject({ width: 3, height: 2 });
    expect([...peer.framebuffer(2)!.pixels]).toEqual([1, 2, 3, 4, 8, 9]);
    expect(peer.colourAt(2, 2, 1)).toBe(9);
    expect(peer.updates(2)).toEqual([
      { x: 0, y: 0, width: 3, height: 2 },
      { x: 1, y: 1, width: 2, height: 1 },
    ]);
    expect(peer.violations).toEqual([]);
    expect(peer.bytes).toBe(24 + 32 + 24 + 32 + 8);
  });

  test("a scanout of no size is off", () => {
    send(DisplayRequest.SCANOUT, [0, 4, 4]);
    send(DisplayRequest.SCANOUT, [0, 0, 0]);
    expect(peer.framebuffer(0)).toBeNull();
    expect(peer.screenshot(0)).toBeNull();
  });

  test("a screenshot has the pointer in it, the framebuffer has not", () => {
    send(DisplayRequest.SCANOUT, [0, 8, 8]);
    const image = new Uint32Array(64 * 64);
    image[0] = 0xffff0000;
    image[1] = 0x80ffffff;
    send(DisplayRequest.CURSOR_UPDATE, [0, 5, 6, 1, 2], new Uint8Array(image.buffer));
    expect(peer.cursors[0]).toMatchObject({ visible: true, x: 5, y: 6, hotX: 1, hotY: 2 });
    const shot = peer.screenshot(0)!;
    expect(shot.pixels[4 * 8 + 4]).toBe(0xff0000);
    expect(shot.pixels[4 * 8 + 5]).toBe(0x808080);
    expect(peer.framebuffer(0)!.pixels.every((pixel) => pixel === 0)).toBe(true);
    send(DisplayRequest.CURSOR_POS_HIDE, [0, 7, 7]);
    expect(peer.screenshot(0)!.pixels.every((pixel) => pixel === 0)).toBe(true);
  });
});

describe("dma-bufs", () => {
  const xr24 = 0x3432_5258;
  const off = Array.from({ length: 9 }, () => 0);
  let buffer: NativeMemory;
  let pixels: Uint32Array;
  let fd: number;

  /** 4 × 3 pixels of 0x11 × their number in rows of 32 bytes. */
  beforeEach(() => {
    fd = createMemfd("peer-dmabuf", 96);
    buffer = NativeMemory.mapShared(fd, 0, 96, "write");
    pixels = new Uint32Array(buffer.view());
    for (let y = 0; y < 3; y++) for (let x = 0; x < 4; x++) pixels[y * 8 + x] = 0x11 * (4 * y + x + 1);
  });
  afterEach(() => {
    buffer.unmap();
    closeFd(fd);
  });

  /** Lends the rectangle x, y, width × height to scanout 0. */
  const lend = (x: number, y: number, width: number, height: number, flags = 0) =>
    send(DisplayRequest.DMABUF_SCANOUT, [0, x, y, width, height, 4, 3, 32, flags, xr24], undefined, 0, fd);

  test("are shown with what they have now, and closed when they are taken off", () => {
    const before = openFds();
    lend(1, 1, 2, 2);
    expect(openFds()).toBe(before + 1);
    expect(peer.framebuffer(0)).toEqual({
      width: 2,
      height: 2,
      pixels: Uint32Array.of(0x66, 0x77, 0xaa, 0xbb),
    });
    pixels[9] = 0x123456;
    expect(peer.colourAt(0, 0, 0)).toBe(0x123456);
    lend(0, 0, 1, 1);
    expect(openFds()).toBe(before + 1);
    expect(peer.screenshot(0)!.pixels).toEqual(Uint32Array.of(0x11));
    send(DisplayRequest.DMABUF_SCANOUT, [0, ...off]);
    expect(openFds()).toBe(before);
    expect(peer.framebuffer(0)).toBeNull();
    expect(peer.events).toEqual([
      { kind: "dmabuf-scanout", scanoutId: 0, width: 2, height: 2 },
      { kind: "dmabuf-scanout", scanoutId: 0, width: 1, height: 1 },
      { kind: "dmabuf-scanout", scanoutId: 0, width: 0, height: 0 },
    ]);
    expect(peer.violations).toEqual([]);
  });

  test("have their last row on top where the flag says so", () => {
    lend(0, 0, 1, 3, 1);
    expect([...peer.framebuffer(0)!.pixels]).toEqual([0x99, 0x55, 0x11]);
  });

  test("hide the picture, which comes back after them and before them", () => {
    send(DisplayRequest.SCANOUT, [0, 1, 1]);
    send(DisplayRequest.UPDATE, [0, 0, 0, 1, 1], colours(7));
    lend(0, 0, 4, 3);
    expect(peer.dmabuf(0)).toMatchObject({ width: 4, height: 3, stride: 32, fourcc: xr24, modifierLow: 0 });
    send(DisplayRequest.DMABUF_SCANOUT, [0, ...off]);
    expect(peer.dmabuf(0)).toBeNull();
    expect([...peer.framebuffer(0)!.pixels]).toEqual([7]);
    lend(0, 0, 4, 3);
    send(DisplayRequest.SCANOUT, [0, 2, 1]);
    expect(peer.dmabuf(0)).toBeNull();
    expect([...peer.framebuffer(0)!.pixels]).toEqual([0, 0]);
    expect(peer.violations).toEqual([]);
  });

  test("with a modifier that is not linear are kept, and can't be read", () => {
    const fields = [0, 0, 0, 4, 3, 4, 3, 32, 0, xr24, 0x0000_0007, 0x0100_0000];
    send(DisplayRequest.DMABUF_SCANOUT2, fields, undefined, 0, fd);
    expect(peer.dmabuf(0)).toMatchObject({ modifierHigh: 0x0100_0000, modifierLow: 7 });
    expect(() => peer.framebuffer(0)).toThrow("0x0100000000000007");
    expect(peer.violations).toEqual([]);
  });

  test("have updates that are answered, at once or when it is told to", () => {
    const empty = [DisplayRequest.DMABUF_UPDATE, 4, 0];
    lend(0, 0, 4, 3);
    send(DisplayRequest.DMABUF_UPDATE, [0, 1, 0, 3, 2]);
    const answer = reply()!;
    expect([...new Uint32Array(answer.buffer)]).toEqual(empty);
    peer.options.answersUpdates = false;
    send(DisplayRequest.DMABUF_UPDATE, [0, 0, 0, 1, 1]);
    expect(reply()).toBeNull();
    peer.answerUpdate();
    expect([...new Uint32Array(reply()!.buffer)]).toEqual(empty);
    expect(() => peer.answerUpdate()).toThrow("no DMABUF_UPDATE waits");
    expect(peer.updates()).toEqual([
      { x: 1, y: 0, width: 3, height: 2 },
      { x: 0, y: 0, width: 1, height: 1 },
    ]);
    expect(peer.violations).toEqual([]);
  });

  test("with flags are violations unless the back-end is known to set some", () => {
    send(DisplayRequest.CURSOR_POS_HIDE, [0, 0, 0], undefined, 0x51424c);
    expect(peer.violations).toEqual(["request 5 has flags 0x51424c"]);

    const [ours, theirs] = socketPair("stream");
    closeFd(backend);
    peer.free();
    backend = theirs;
    peer = new DisplayPeer(ours, pump, { checksFlags: false });
    send(DisplayRequest.CURSOR_POS_HIDE, [0, 0, 0], undefined, 0x51424c);
    expect(peer.violations).toEqual([]);
    expect(peer.count(DisplayRequest.CURSOR_POS_HIDE)).toBe(1);
  });

  test("misused are violations", () => {
    const last = () => peer.violations.at(-1);
    send(DisplayRequest.DMABUF_UPDATE, [3, 0, 0, 1, 1]);
    expect(last()).toBe("DMABUF_UPDATE of scanout 3, which shows no dma-buf");
    send(DisplayRequest.DMABUF_SCANOUT, [0, 0, 0, 1, 1, 4, 3, 32, 0, xr24]);
    expect(last()).toBe("DMABUF_SCANOUT of 1x1 with descriptor -1");
    send(DisplayRequest.DMABUF_SCANOUT, [0, ...off], undefined, 0, fd);
    expect(last()).toStartWith("DMABUF_SCANOUT of 0x0 with descriptor ");
    lend(1, 0, 4, 3);
    expect(last()).toBe("DMABUF_SCANOUT shows more than its 4x3 pixels");
    lend(0, 0, 4, 3);
    peer.options.answersUpdates = false;
    send(DisplayRequest.DMABUF_UPDATE, [0, 1, 0, 4, 1]);
    expect(last()).toBe("DMABUF_UPDATE 0: 4x1+1+0 is outside of the scanout");
    send(DisplayRequest.DMABUF_UPDATE, [0, 0, 0, 1, 1]);
    expect(last()).toBe("a second DMABUF_UPDATE of scanout 0 before the first was answered");
    send(DisplayRequest.UPDATE, [0, 0, 0, 1, 1], colours(1));
    expect(last()).toBe("UPDATE 0: 1x1+0+0 came while a dma-buf is shown");
    send(DisplayRequest.SCANOUT, [0, 4, 4], undefined, 0, fd);
    expect(last()).toBe("a descriptor came with a message that has none");
    peer.options.features = 1;
    send(DisplayRequest.DMABUF_SCANOUT2, [0, ...off, 0, 0]);
    expect(last()).toBe("DMABUF_SCANOUT2 was sent to a VMM without DMABUF2");
    send(DisplayRequest.DMABUF_SCANOUT, [16, 0, 0, 4, 3, 4, 3, 32, 0, xr24], undefined, 0, fd);
    expect(last()).toBe("DMABUF_SCANOUT of scanout 16");
    expect(peer.violations.length).toBe(10);
  });

  test("with a descriptor behind the first byte are a violation", () => {
    bytes.set(new Uint8Array(Uint32Array.of(DisplayRequest.DMABUF_SCANOUT, 0, 40).buffer));
    for (const part of [1, 11]) {
      io.clear();
      io.gather(memory.address + (part === 1 ? 0 : 1), part);
      io.send(backend, part === 1 ? [] : [fd]);
      pump.drain();
    }
    expect(peer.violations).toEqual(["1 descriptors came where a message has none"]);
  });

  test("leave no descriptor behind when the peer is freed", () => {
    const before = openFds();
    lend(0, 0, 4, 3);
    peer.free();
    peer.free();
    // The dma-buf's, and the socket.
    expect(openFds()).toBe(before - 1);
  });
});

describe("questions", () => {
  test("features, display info and EDID are answered", () => {
    send(DisplayRequest.GET_PROTOCOL_FEATURES);
    expect(reply()!.getBigUint64(12, true)).toBe(3n);
    send(DisplayRequest.GET_DISPLAY_INFO);
    const info = reply()!;
    expect([info.byteLength, info.getUint32(4, true), info.getUint32(12, true)]).toEqual([420, 4, 0x1101]);
    send(DisplayRequest.GET_EDID, [0]);
    const edid = reply()!;
    expect([edid.byteLength, edid.getUint32(12, true), edid.getUint32(36, true)]).toEqual([
      1068, 0x1104, 128,
    ]);
  });

  test("answers can be withheld", () => {
    peer.options.answersDisplayInfo = peer.options.answersEdid = false;
    send(DisplayRequest.GET_DISPLAY_INFO);
    send(DisplayRequest.GET_EDID, [0]);
    expect(reply()).toBeNull();
    expect(peer.count(DisplayRequest.GET_EDID)).toBe(1);
  });

  test("a paused peer reads nothing", () => {
    peer.pause();
    send(DisplayRequest.SCANOUT, [0, 4, 4]);
    expect(peer.bytes).toBe(0);
    peer.resume();
    pump.drain();
    expect(peer.framebuffer(0)).not.toBeNull();
  });
});

describe("violations", () => {
  test("are told by what was wrong", () => {
    send(DisplayRequest.UPDATE, [0, 0, 0, 1, 1], colours(7));
    expect(peer.violations.at(-1)).toContain("outside of the scanout");
    send(DisplayRequest.SCANOUT, [16, 4, 4]);
    expect(peer.violations.at(-1)).toContain("scanout 16");
    send(DisplayRequest.SCANOUT, [0, 4, 4], undefined, 1);
    expect(peer.violations.at(-1)).toContain("flags 0x1");
    peer.options.features = 0;
    send(DisplayRequest.GET_EDID, [0]);
    expect(peer.violations.at(-1)).toContain("without EDID");
    send(DisplayRequest.UPDATE, [0, 0, 0, 2, 2], colours(7));
    expect(peer.violations.at(-1)).toContain("4 bytes of pixels");
    expect(peer.closed).toBe(true);
  });

  test("an unknown request ends the connection", () => {
    send(99);
    expect(peer.closed).toBe(true);
    expect(peer.violations).toEqual(["request 99 has a payload of 0 bytes"]);
  });
});
