// The VMM's display socket: what is asked of it, and what happens when it is slow, silent, gone or new.

import { describe, expect, test } from "bun:test";
import { closeFd } from "../../src/transport/os/fds.ts";
import { connectUnix } from "../../src/transport/os/unix-path.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { DisplayRequest } from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { expectOk, expectShown, expectType, expectWorking, pattern, serveTests, settle } from "./support.ts";

const { withDevice, server } = serveTests("--display-timeout-ms", "200", "--outputs", "1024x600,640x480");
const { ERR_INVALID_SCANOUT_ID, OK_DISPLAY_INFO, OK_EDID } = Response;

describe("GET_DISPLAY_INFO", () => {
  test("display info is the VMM's", () =>
    withDevice(
      {
        display: {
          modes: [
            { x: 0, y: 0, width: 1920, height: 1200 },
            { x: 1920, y: 0, width: 800, height: 600 },
          ],
        },
      },
      ({ gpu }) => {
        const info = gpu.getDisplayInfo();
        expectType(info, OK_DISPLAY_INFO);
        expect(info.length).toBe(408);
        expect(info.modes[0]).toEqual({ x: 0, y: 0, width: 1920, height: 1200, enabled: true });
        expect(info.modes[1]).toEqual({ x: 1920, y: 0, width: 800, height: 600, enabled: true });
        expect(info.modes.slice(2).every(({ enabled }) => !enabled)).toBe(true);
      },
    ));

  test("display info after a resize is the new one", () =>
    withDevice({}, (guest) => {
      expect(guest.gpu.getDisplayInfo().modes[0]!.width).toBe(1280);
      guest.display!.options.modes = [{ x: 0, y: 0, width: 1600, height: 900 }];
      // The driver acknowledges the event before it asks.
      guest.frontend.setConfig(4, new Uint8Array([1, 0, 0, 0]));
      expect(guest.gpu.getDisplayInfo().modes[0]).toMatchObject({ width: 1600, height: 900 });
    }));

  test("display info of a silent VMM is our own", () =>
    withDevice({ display: { answersDisplayInfo: false } }, (guest) => {
      const info = guest.gpu.getDisplayInfo();
      expectType(info, OK_DISPLAY_INFO);
      expect(info.modes[0]).toMatchObject({ width: 1024, height: 600, enabled: true });
      expect(info.modes[1]).toMatchObject({ width: 640, height: 480, enabled: true });
      expectWorking(guest);
    }));

  test("display info without a display is our own", () =>
    withDevice({ display: null }, ({ gpu }) => {
      expect(gpu.getDisplayInfo().modes[0]).toMatchObject({ width: 1024, height: 600, enabled: true });
    }));

  test("other commands go on while display info waits", () =>
    withDevice({ display: { answersDisplayInfo: false } }, (guest) => {
      const { control } = guest;
      const asked = control.submit(new Uint8Array(displayInfoRequest()), { responseBytes: 408 });
      expectWorking(guest);
      expect(asked.done).toBe(false);
      expectType(control.wait(asked), OK_DISPLAY_INFO);
    }));
});

describe("GET_EDID", () => {
  test("EDID is the VMM's", () =>
    withDevice({}, (guest) => {
      const { edid, type } = guest.gpu.getEdid(0);
      expect(type).toBe(OK_EDID);
      expect(edid).toEqual(guest.display!.options.edid);
      expect(guest.display!.count(DisplayRequest.GET_EDID)).toBeGreaterThan(0);
    }));

  for (const [name, display] of [
    ["VMM without EDID", { features: 0 }],
    ["silent VMM", { answersEdid: false }],
  ] as const) {
    test(`EDID of a ${name} is our own and sound`, () =>
      withDevice({ display }, ({ gpu }) => {
        for (const scanout of [0, 1, 15]) {
          const result = gpu.getEdid(scanout);
          expectType(result, OK_EDID);
          expectSoundEdid(result.edid);
        }
      }));
  }

  test("EDID without a display is our own and sound", () =>
    withDevice({ display: null }, ({ gpu }) => {
      expectSoundEdid(gpu.getEdid(0).edid);
    }));

  test("EDID never claims more than 1024 bytes", () =>
    withDevice({ display: { edid: new Uint8Array(1024).fill(0x5a) } }, ({ gpu }) => {
      const result = gpu.getEdid(0);
      expectType(result, OK_EDID);
      expect(result.edid.length).toBeLessThanOrEqual(1024);
    }));

  for (const scanout of [16, 22, 0xffff_ffff]) {
    test(`EDID of scanout ${scanout} returns ERR_INVALID_SCANOUT_ID`, () =>
      withDevice({}, ({ gpu }) => {
        expectType(gpu.getEdid(scanout), ERR_INVALID_SCANOUT_ID);
      }));
  }
});

describe("protocol features", () => {
  for (const features of [0, 1, 2, 3, 0xff]) {
    test(`features ${features} are answered by what both know`, () =>
      withDevice({ display: { features } }, (guest) => {
        const image = guest.gpu.createImage(1, Format.B8G8R8X8, 16, 16);
        image.pixels.set(pattern(16, 16));
        guest.gpu.show(0, image);
        expectShown(guest, 0, 16, 16, pattern(16, 16));
        expect(guest.display!.negotiated === null).toBe(false);
        expect(guest.display!.negotiated! & ~BigInt(features)).toBe(0n);
      }));
  }
});

describe("a stalled display", () => {
  test("never blocks the queues and gets the last picture when it reads again", () =>
    withDevice({}, (guest) => {
      const { gpu, display } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 800, 600);
      gpu.show(0, image);
      const cursor = gpu.createImage(2, Format.B8G8R8A8, 64, 64);
      expectOk(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, cursor.resourceId));
      expectShown(guest, 0, 800, 600, new Uint32Array(800 * 600));
      settle(guest);
      display!.pause();
      for (let frame = 0; frame < 60; frame++) {
        image.pixels.fill(frame * 0x010203);
        gpu.present(image);
        expectOk(gpu.moveCursor({ scanoutId: 0, x: frame, y: frame }));
      }
      const last = pattern(800, 600, 8);
      image.pixels.set(last);
      gpu.present(image);
      expectWorking(guest);
      display!.resume();
      expectShown(guest, 0, 800, 600, last);
      guest.pump.until(() => display!.cursors[0]!.x === 1, "the cursor");
      // Frames were skipped, not queued up.
      expect(display!.updates().length).toBeLessThan(30);
    }));

  test("does not keep the device from stopping", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 800, 600);
      guest.gpu.show(0, image);
      guest.display!.pause();
      for (let frame = 0; frame < 10; frame++) guest.gpu.present(image);
      guest.stop();
      guest.start();
      showAndCompare(guest, 2);
    }));

  test("gets whole pictures however slowly it reads", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 640, 480);
      for (let frame = 0; frame < 20; frame++) {
        image.pixels.set(pattern(640, 480, frame));
        guest.gpu.show(0, image);
        guest.display!.pause();
        guest.gpu.present(image);
        guest.display!.resume();
      }
      expectShown(guest, 0, 640, 480, pattern(640, 480, 19));
    }));
});

describe("a display that goes away", () => {
  test("closed before anything is shown leaves the device working", () =>
    withDevice({}, (guest) => {
      guest.display!.close();
      const image = guest.gpu.createImage(1, 1, 64, 64);
      guest.gpu.show(0, image);
      expectType(guest.gpu.getDisplayInfo(), OK_DISPLAY_INFO);
      expectSoundEdid(guest.gpu.getEdid(0).edid);
      expectWorking(guest);
    }));

  test("closed in mid-animation leaves the device working", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 640, 480);
      guest.gpu.show(0, image);
      for (let frame = 0; frame < 30; frame++) {
        if (frame === 10) guest.display!.close();
        guest.gpu.present(image);
        expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: frame, y: 0 }));
      }
      expectWorking(guest);
    }));

  test("closed while it was asked does not hang the question", () =>
    withDevice({ display: { answersDisplayInfo: false } }, (guest) => {
      const asked = guest.control.submit(new Uint8Array(displayInfoRequest()), { responseBytes: 408 });
      guest.pump.serve(20);
      guest.display!.close();
      expectType(guest.control.wait(asked), OK_DISPLAY_INFO);
    }));

  test("a new socket shows everything again", () =>
    withDevice({}, (guest) => {
      const { gpu } = guest;
      const first = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
      const second = gpu.createImage(2, Format.B8G8R8X8, 32, 24);
      first.pixels.set(pattern(64, 48));
      second.pixels.set(pattern(32, 24, 1));
      gpu.show(0, first);
      gpu.show(1, second);
      const cursor = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
      cursor.pixels.fill(0xff112233);
      expectOk(gpu.transferToHost2d(3, areaOf(cursor)));
      expectOk(gpu.updateCursor({ scanoutId: 0, x: 12, y: 13 }, 3, 1, 2));
      expectShown(guest, 1, 32, 24, pattern(32, 24, 1));
      const old = guest.display!;
      guest.openDisplay();
      expectShown(guest, 0, 64, 48, pattern(64, 48));
      expectShown(guest, 1, 32, 24, pattern(32, 24, 1));
      guest.pump.until(() => guest.display!.cursors[0]!.visible, "the cursor");
      expect(guest.display!.cursors[0]).toMatchObject({ x: 12, y: 13, hotX: 1, hotY: 2 });
      guest.pump.until(() => old.closed, "the old socket being closed");
      old.free();
    }));

  test("twenty new sockets leak nothing and the last one shows", () =>
    withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 48);
      image.pixels.set(pattern(64, 48));
      guest.gpu.show(0, image);
      for (let round = 0; round < 20; round++) {
        const old = guest.display!;
        guest.openDisplay();
        old.free();
      }
      expectShown(guest, 0, 64, 48, pattern(64, 48));
    }));
});

describe("restart of the driver", () => {
  test("stop and start with a new socket shows again", () =>
    withDevice({}, (guest) => {
      for (let round = 0; round < 5; round++) {
        showAndCompare(guest, 1);
        guest.stop();
        guest.display!.free();
        // A rebooted guest starts with fresh rings, and resource ids are free again.
        for (const queue of guest.queues) queue.reset(0);
        guest.start();
      }
      showAndCompare(guest, 1);
    }));
});

function showAndCompare(guest: SyntheticGuest, id: number): void {
  const image = guest.gpu.createImage(id, Format.B8G8R8X8, 40, 30);
  image.pixels.set(pattern(40, 30, id));
  guest.gpu.show(0, image);
  expectShown(guest, 0, 40, 30, pattern(40, 30, id));
}

function displayInfoRequest(): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, 0x0100, true);
  return view.buffer;
}

/** Header, checksums, and as many blocks as it says (CVE-2026-68255). */
function expectSoundEdid(edid: Uint8Array): void {
  expect([...edid.subarray(0, 8)]).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
  expect(edid.length % 128).toBe(0);
  expect(edid.length).toBeLessThanOrEqual(1024);
  expect(edid.length).toBe(128 * (1 + edid[126]!));
  for (let block = 0; block < edid.length; block += 128) {
    const sum = edid.subarray(block, block + 128).reduce((total, byte) => total + byte, 0);
    expect(sum & 0xff).toBe(0);
  }
}

describe("a display socket that is of no use", () => {
  /** Gives the display sockets of which it can make nothing: the guest goes on, and a good one after them is used. */
  async function expectSurvived(open: () => number): Promise<void> {
    await withDevice({ display: null }, (guest) => {
      // No more than wait to be accepted at the device's own socket.
      for (let round = 0; round < 3; round++) {
        const given = open();
        guest.frontend.gpuSetSocket(given);
        closeFd(given);
        expectWorking(guest);
        expect(guest.gpu.getDisplayInfo().modes[0]!.enabled).toBe(true);
      }
      guest.openDisplay();
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 32, 32);
      image.pixels.set(pattern(32, 32));
      expectOk(guest.gpu.transferToHost2d(1, areaOf(image)));
      guest.gpu.show(0, image);
      expectShown(guest, 0, 32, 32, pattern(32, 32));
    });
    expect(server().log()).not.toContain("display: crashed");
  }

  test("since it is closed already costs the picture only", () =>
    expectSurvived(() => {
      const [given, kept] = socketPair("stream");
      closeFd(kept);
      return given;
    }));

  test("since its other end is the device itself costs the picture only", () =>
    expectSurvived(() => connectUnix(server().socketPath, "stream")));

  test("since the device has both ends costs the picture only", () =>
    withDevice({ display: null }, (guest) => {
      const [one, other] = socketPair("stream");
      for (const fd of [one, other, one]) guest.frontend.gpuSetSocket(fd);
      for (const fd of [one, other]) closeFd(fd);
      expectWorking(guest);
      expect(server().log()).not.toContain("display: crashed");
    }));
});
