// A virtual machine of KVM in front of the real server: what its guest shows, and how its commands travel.

import { beforeAll, expect } from "bun:test";
import { expectOk } from "../../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import { message } from "../../../lab/kvm/layout.ts";
import { Machine, type MachineOptions } from "../../../lab/kvm/machine.ts";
import { Boxes, drawPlainArrow } from "../../../lab/scenes/boxes.ts";
import { areaOf } from "../../../lab/driver/gpu-driver.ts";
import type { DisplayPeer } from "../../../lab/vmm/display-peer.ts";
import { cursorSize, Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { serveTests } from "../../device/support.ts";
import { buildProgram, kvmTest } from "../../support/kvm.ts";
import { driverPatienceMs } from "../../support/patience.ts";

const { server } = serveTests();
const screen = { width: 160, height: 96 };
const patienceMs = driverPatienceMs;

beforeAll(buildProgram);

function withMachine(options: MachineOptions, body: (machine: Machine) => void): void {
  const machine = Machine.boot(server().socketPath, { screen, patienceMs, ...options });
  try {
    body(machine);
    expect(machine.display?.violations ?? []).toEqual([]);
  } finally {
    machine.close();
  }
}

interface Seen {
  pixels: Uint32Array;
  cursor: { x: number; y: number; hotX: number; hotY: number; visible: boolean; pixels: Uint32Array };
}

const seenOn = (display: DisplayPeer): Seen => ({
  pixels: display.framebuffer(0)!.pixels.slice(),
  cursor: { ...display.cursors[0]!, pixels: display.cursors[0]!.pixels.slice() },
});

/** What the synthetic guest's display is sent of each frame up to `last`. */
function syntheticFrames(last: number): Seen[] {
  const guest = SyntheticGuest.boot(server().socketPath, {
    patienceMs,
    display: { modes: [{ x: 0, y: 0, ...screen }] },
  });
  try {
    const { gpu, pump } = guest;
    const image = gpu.createImage(1, Format.B8G8R8X8, screen.width, screen.height);
    const pointer = gpu.createImage(2, Format.B8G8R8A8, cursorSize, cursorSize);
    drawPlainArrow(pointer.pixels);
    expectOk(gpu.transferToHost2d(2, areaOf(pointer)), "TRANSFER_TO_HOST_2D");
    const scene = new Boxes(image.pixels, screen.width, screen.height);
    return Array.from({ length: last + 1 }, (_, frame) => {
      const damage = scene.draw(frame);
      const place = { scanoutId: 0, ...scene.pointerAt(frame) };
      if (frame === 0) {
        gpu.show(0, image);
        gpu.updateCursor(place, 2, 0, 0);
      } else {
        for (const rectangle of damage) gpu.present(image, rectangle);
        gpu.moveCursor(place);
      }
      const display = guest.display!;
      pump.until(
        () => equal(display.framebuffer(0)?.pixels, image.pixels) && isAt(display, place),
        `frame ${frame}`,
      );
      return seenOn(display);
    });
  } finally {
    guest.close();
  }
}

const isAt = (display: DisplayPeer, { x, y }: { x: number; y: number }): boolean =>
  display.cursors[0]!.x === x && display.cursors[0]!.y === y;

const equal = (one: Uint32Array | undefined, other: Uint32Array): boolean =>
  one !== undefined &&
  Buffer.from(one.buffer, one.byteOffset, one.byteLength).equals(
    Buffer.from(other.buffer, other.byteOffset, other.byteLength),
  );

const ways: [string, MachineOptions][] = [
  ["by edges", {}],
  ["by edges without EVENT_IDX", { eventIdx: false }],
  ["by levels", { trigger: "level" }],
  ["by levels without EVENT_IDX", { trigger: "level", eventIdx: false }],
  ["past the kernel, by exits", { path: "vmm" }],
  ["with lost kicks", { lostKicks: true }],
  ["with lost kicks and without EVENT_IDX", { lostKicks: true, eventIdx: false }],
  ["with spurious kicks", { spuriousKicks: true }],
];

for (const [how, options] of ways) {
  kvmTest(`a guest on KVM shows what the synthetic guest does, ${how}`, () => {
    const last = 6;
    const expected = syntheticFrames(last);
    withMachine({ count: last, framesMax: 1, ...options }, (machine) => {
      const { control } = machine;
      expected.forEach((wanted, frame) => {
        control.framesMax = frame + 1;
        machine.until(() => {
          const display = machine.display;
          return (
            display !== null &&
            equal(display.framebuffer(0)?.pixels, wanted.pixels) &&
            isAt(display, wanted.cursor)
          );
        }, `frame ${frame}`);
        expect(seenOn(machine.display!)).toEqual(wanted);
      });
      control.framesMax = last + 2;
      expect(machine.untilEnd()).toMatchObject({ ending: "done" });
    });
  });
}

kvmTest("kicks and interrupts pass the VMM by", () => {
  withMachine({ count: 12, framesMax: 1 }, (machine) => {
    machine.until(() => machine.control.isHeld, "the first frame");
    const before = machine.control.exits("mmio");
    const interruptsBefore = machine.report.interrupts;
    machine.control.framesMax = 100;
    expect(machine.untilEnd()).toMatchObject({ ending: "done" });
    const { kicks, interrupts } = machine.report;
    expect(kicks).toBeGreaterThan(0);
    expect(interrupts).toBeGreaterThan(0);
    // The driver asks why it was interrupted, and says that it has heard: two registers an interrupt, and none a kick.
    expect(machine.control.exits("mmio") - before).toBeLessThanOrEqual(2 * (interrupts - interruptsBefore));
  });
});

kvmTest("interrupts without a reason do no harm", () => {
  withMachine({ count: 40 }, (machine) => {
    const { control, report } = machine;
    const isOver = (): boolean => {
      machine.interruptIdly();
      return machine.end !== null;
    };
    machine.until(() => control.frames > 0, "the first frame");
    while (!isOver()) machine.serve(1);
    expect(machine.end).toMatchObject({ ending: "done" });
    expect(report.idleInterrupts).toBeGreaterThan(0);
  });
});

kvmTest("a message-signalled interrupt reaches the guest", () => {
  withMachine({ task: "MESSAGE_INTERRUPT" }, (machine) => {
    machine.until(() => machine.control.frames > 0, "a guest that waits");
    expect(machine.signalMessage(message.address, message.vector)).toBe(true);
    expect(machine.untilEnd()).toMatchObject({ ending: "done" });
  });
});

kvmTest("another machine may follow on the same server", () => {
  for (const count of [1, 2]) {
    withMachine({ count }, (machine) => {
      expect(machine.untilEnd()).toMatchObject({ ending: "done" });
      expect(machine.control.frames).toBe(count + 1);
    });
  }
});
