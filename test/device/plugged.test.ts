// Which scanouts there are: the configured outputs, or all sixteen for a VMM that shows the picture itself.

import { describe, expect, test } from "bun:test";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ConfigSpace, Response, scanoutsMax } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, serveTests } from "./support.ts";

const { withDevice, server } = serveTests("--outputs", "800x600,640x480");
const { ERR_INVALID_SCANOUT_ID, OK_EDID, OK_NODATA } = Response;
const withoutDisplay = { frontend: "crosvm", display: null } as const;
const area = { x: 0, y: 0, width: 64, height: 64 };

/** Names scanout `id` in every command that can: each is refused, or none. */
function expectPlugged({ gpu }: SyntheticGuest, id: number, isPlugged: boolean): void {
  const type = isPlugged ? OK_NODATA : ERR_INVALID_SCANOUT_ID;
  expectType(gpu.setScanout(id, 1, area), type);
  expectType(gpu.setScanout(id, 0, area), type);
  expectType(gpu.getEdid(id), isPlugged ? OK_EDID : ERR_INVALID_SCANOUT_ID);
  expectType(gpu.updateCursor({ scanoutId: id, x: 0, y: 0 }, 1), type);
  expectType(gpu.moveCursor({ scanoutId: id, x: 1, y: 1 }), type);
}

describe("a VMM without a display socket", () => {
  test("has the scanouts that it is told of, and no others", () =>
    withDevice(withoutDisplay, (guest) => {
      expect(new DataView(guest.config.buffer).getUint32(ConfigSpace.scanoutCount, true)).toBe(2);
      guest.gpu.createImage(1, 1, 64, 64);
      for (const id of [0, 1]) expectPlugged(guest, id, true);
      for (const id of [2, 3, scanoutsMax - 1, scanoutsMax, 0xffff_ffff]) expectPlugged(guest, id, false);
    }));

  test("after one with a display has no more than that", async () => {
    await withDevice({}, (guest) => {
      guest.gpu.createImage(1, 1, 64, 64);
      expectOk(guest.gpu.setScanout(scanoutsMax - 1, 1, area));
    });
    await withDevice(withoutDisplay, (guest) => {
      guest.gpu.createImage(1, 1, 64, 64);
      expectPlugged(guest, 1, true);
      expectPlugged(guest, scanoutsMax - 1, false);
    });
  });
});

describe("a VMM with a display socket", () => {
  test("has all scanouts from its first command on", () =>
    withDevice({}, (guest) => {
      guest.gpu.createImage(1, 1, 64, 64);
      for (const id of [2, scanoutsMax - 1]) expectPlugged(guest, id, true);
      for (const id of [scanoutsMax, 0xffff_ffff]) expectPlugged(guest, id, false);
    }));

  test("keeps them when the cursor queue is lost", () =>
    withDevice({}, async (guest) => {
      guest.gpu.createImage(1, 1, 64, 64);
      expect(await server().control({ command: "kill", actor: "cursor-queue" })).toEqual({ ok: true });
      expectPlugged(guest, scanoutsMax - 1, true);
    }));
});

test("status tells the states of session, vrings and scanouts, and resources by the guest's numbers", () =>
  withDevice(withoutDisplay, async (guest) => {
    guest.gpu.createImage(77, 1, 64, 64);
    expectOk(guest.gpu.setScanout(1, 77, area));
    expect(await server().control({ command: "status" })).toMatchObject({
      device: "running",
      session: {
        state: "connected.running",
        vrings: [
          { vring: 0, state: "started+enabled" },
          { vring: 1, state: "started+enabled" },
        ],
      },
      scanouts: [
        { scanout: 0, state: "plugged.disabled", resource: null },
        { scanout: 1, state: "plugged.cpu", resource: { id: 77, state: "cpu2d.backed" } },
      ],
    });
    expectOk(guest.gpu.setScanout(1, 0, area));
  }));
