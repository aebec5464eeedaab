// The VMM's end of the display socket, fed by hand.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DisplayPeer } from "../../src/guest/display-peer.ts";
import { Pump } from "../../src/guest/pump.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import { Request } from "../../src/transport/vhost-user-gpu/protocol.ts";

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

/** Sends one message of u32 fields and bytes, and lets the peer read it. */
function send(request: number, fields: readonly number[] = [], data = new Uint8Array(0), flags = 0): void {
  const size = fields.length * 4 + data.length;
  bytes.set(new Uint8Array(Uint32Array.of(request, flags, size, ...fields).buffer));
  bytes.set(data, 12 + fields.length * 4);
  io.clear();
  io.gather(memory.address, 12 + size);
  expect(io.send(backend)).toBe(12 + size);
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
    send(Request.SCANOUT, [2, 3, 2]);
    send(Request.UPDATE, [2, 0, 0, 3, 2], colours(1, 2, 3, 4, 5, 6));
    send(Request.UPDATE, [2, 1, 1, 2, 1], colours(8, 9));
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
    send(Request.SCANOUT, [0, 4, 4]);
    send(Request.SCANOUT, [0, 0, 0]);
    expect(peer.framebuffer(0)).toBeNull();
    expect(peer.screenshot(0)).toBeNull();
  });

  test("a screenshot has the pointer in it, the framebuffer has not", () => {
    send(Request.SCANOUT, [0, 8, 8]);
    const image = new Uint32Array(64 * 64);
    image[0] = 0xffff0000;
    image[1] = 0x80ffffff;
    send(Request.CURSOR_UPDATE, [0, 5, 6, 1, 2], new Uint8Array(image.buffer));
    expect(peer.cursors[0]).toMatchObject({ visible: true, x: 5, y: 6, hotX: 1, hotY: 2 });
    const shot = peer.screenshot(0)!;
    expect(shot.pixels[4 * 8 + 4]).toBe(0xff0000);
    expect(shot.pixels[4 * 8 + 5]).toBe(0x808080);
    expect(peer.framebuffer(0)!.pixels.every((pixel) => pixel === 0)).toBe(true);
    send(Request.CURSOR_POS_HIDE, [0, 7, 7]);
    expect(peer.screenshot(0)!.pixels.every((pixel) => pixel === 0)).toBe(true);
  });
});

describe("questions", () => {
  test("features, display info and EDID are answered", () => {
    send(Request.GET_PROTOCOL_FEATURES);
    expect(reply()!.getBigUint64(12, true)).toBe(3n);
    send(Request.GET_DISPLAY_INFO);
    const info = reply()!;
    expect([info.byteLength, info.getUint32(4, true), info.getUint32(12, true)]).toEqual([420, 4, 0x1101]);
    send(Request.GET_EDID, [0]);
    const edid = reply()!;
    expect([edid.byteLength, edid.getUint32(12, true), edid.getUint32(36, true)]).toEqual([
      1068, 0x1104, 128,
    ]);
  });

  test("answers can be withheld", () => {
    peer.options.answersDisplayInfo = peer.options.answersEdid = false;
    send(Request.GET_DISPLAY_INFO);
    send(Request.GET_EDID, [0]);
    expect(reply()).toBeNull();
    expect(peer.count(Request.GET_EDID)).toBe(1);
  });

  test("a paused peer reads nothing", () => {
    peer.pause();
    send(Request.SCANOUT, [0, 4, 4]);
    expect(peer.bytes).toBe(0);
    peer.resume();
    pump.drain();
    expect(peer.framebuffer(0)).not.toBeNull();
  });
});

describe("violations", () => {
  test("are told by what was wrong", () => {
    send(Request.UPDATE, [0, 0, 0, 1, 1], colours(7));
    expect(peer.violations.at(-1)).toContain("outside of the scanout");
    send(Request.SCANOUT, [16, 4, 4]);
    expect(peer.violations.at(-1)).toContain("scanout 16");
    send(Request.SCANOUT, [0, 4, 4], undefined, 1);
    expect(peer.violations.at(-1)).toContain("flags 0x1");
    peer.options.features = 0;
    send(Request.GET_EDID, [0]);
    expect(peer.violations.at(-1)).toContain("without EDID");
    send(Request.UPDATE, [0, 0, 0, 2, 2], colours(7));
    expect(peer.violations.at(-1)).toContain("4 bytes of pixels");
    expect(peer.closed).toBe(true);
  });

  test("an unknown request ends the connection", () => {
    send(99);
    expect(peer.closed).toBe(true);
    expect(peer.violations).toEqual(["request 99 has a payload of 0 bytes"]);
  });
});
