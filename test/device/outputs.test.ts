// Outputs that change while a guest runs: modes, plugging and unplugging, as a front-end without a display of its own has them.

import { describe, expect, test } from "bun:test";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { BackendRequest } from "../../src/transport/wire/vhost-user/protocol.ts";
import { ConfigSpace, Event, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectWorking, serveTests } from "./support.ts";

const { withDevice, server } = serveTests("--outputs", "800x600", "--scanouts", "3");
/** QEMU's generic device, and crosvm. */
const generic: GuestOptions = { frontend: "qemu", display: null };
const crosvm: GuestOptions = { frontend: "crosvm", display: null };

const outputs = (modes?: string) =>
  server().control(modes === undefined ? { command: "outputs" } : { command: "outputs-set", outputs: modes });
const setOutputs = async (modes: string): Promise<void> =>
  expect(await outputs(modes)).toMatchObject({ ok: true, said: "server" });

const changes = ({ frontend }: SyntheticGuest): number =>
  frontend.backendRequests.filter(({ request }) => request === BackendRequest.CONFIG_CHANGE).length;
const field = ({ frontend }: SyntheticGuest, offset: number): number =>
  new DataView(frontend.getConfig(offset, 4, 1).slice().buffer).getUint32(0, true);

function clearEvents(guest: SyntheticGuest): void {
  guest.frontend.setConfig(ConfigSpace.eventsClear, new Uint8Array(Uint32Array.of(Event.DISPLAY).buffer));
}

/** Waits until the driver is told to read the outputs. */
function untilEvent(guest: SyntheticGuest): void {
  const deadline = performance.now() + driverPatienceMs;
  while ((field(guest, ConfigSpace.eventsRead) & Event.DISPLAY) === 0) {
    if (performance.now() > deadline) throw new Error("no event of the display");
    guest.pump.serve(5);
  }
}

/** Waits until that is told of an output. */
async function untilShown(output: number, expected: object): Promise<void> {
  const deadline = performance.now() + driverPatienceMs;
  for (;;) {
    const told = ((await outputs()) as unknown as { outputs: object[] }).outputs[output]!;
    if (Bun.deepMatch(expected, told)) return;
    if (performance.now() > deadline) throw new Error(`output ${output} is ${JSON.stringify(told)}`);
    await Bun.sleep(5);
  }
}

/** What Linux's driver does at a change: asks for EDIDs and modes, and clears the event. */
function readOutputs(guest: SyntheticGuest, count: number): string[] {
  for (let id = 0; id < count; id++) guest.gpu.getEdid(id);
  const { modes } = guest.gpu.getDisplayInfo();
  clearEvents(guest);
  return modes.slice(0, count).map(({ enabled, width, height }) => (enabled ? `${width}x${height}` : "off"));
}

/** The preferred mode: the first detailed timing. */
const sizeOfEdid = (edid: Uint8Array): string =>
  `${edid[56]! | ((edid[58]! & 0xf0) << 4)}x${edid[59]! | ((edid[61]! & 0xf0) << 4)}`;

for (const [name, options] of Object.entries({ "QEMU's generic device": generic, crosvm })) {
  describe(name, () => {
    test("counts all outputs that there may be from the start, with those off that nobody has turned on", () =>
      withDevice(options, async (guest) => {
        await setOutputs("800x600");
        expect(field(guest, ConfigSpace.scanoutCount)).toBe(3);
        const { modes } = guest.gpu.getDisplayInfo();
        expect(modes.slice(0, 4).map(({ enabled }) => enabled)).toEqual([true, false, false, false]);
        expect(sizeOfEdid(guest.gpu.getEdid(2).edid)).toBe("800x600");
      }));

    test("hears of modes, plugging and unplugging, and reads them", () =>
      withDevice(options, async (guest) => {
        await setOutputs("800x600");
        for (const [asked, expected] of [
          ["1024x768", ["1024x768", "off", "off"]],
          ["1=1920x1080,2=640x480", ["1024x768", "1920x1080", "640x480"]],
          ["1=off", ["1024x768", "off", "640x480"]],
          ["off,off,off", ["off", "off", "off"]],
          ["0=on,1=on", ["1024x768", "1920x1080", "off"]],
        ] as const) {
          await setOutputs(asked);
          untilEvent(guest);
          expect(readOutputs(guest, 3)).toEqual([...expected]);
        }
        guest.pump.until(() => changes(guest) >= 3, "changes of the configuration");
        expect(sizeOfEdid(guest.gpu.getEdid(1).edid)).toBe("1920x1080");
        expect(guest.gpu.getDisplayInfo().modes[1]).toMatchObject({ x: 1024, y: 0 });
      }));
  });
}

test("an output that goes off while it is shown is the driver's to turn off: the picture stays, and may change", () =>
  withDevice(generic, async (guest) => {
    await setOutputs("800x600,640x480");
    const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 32);
    guest.gpu.show(1, image);
    await setOutputs("1=off");
    await untilShown(1, { isOn: false, shows: { width: 64, height: 32 } });
    guest.gpu.present(image);
    expectOk(guest.gpu.setScanout(1, 1, areaOf({ width: 32, height: 16 })));
    expectOk(guest.gpu.flushResource(1, areaOf(image)));
    expectOk(guest.gpu.moveCursor({ scanoutId: 1, x: 1, y: 1 }));
    await untilShown(1, { isOn: false, shows: { width: 32, height: 16 } });
    expectOk(guest.gpu.setScanout(1, 0, areaOf(image)));
    await untilShown(1, { isOn: false, shows: null });
  }));

test("a change between the driver's reading and its clearing of the event is told again", () =>
  withDevice(generic, async (guest) => {
    await setOutputs("640x481");
    await setOutputs("640x480");
    untilEvent(guest);
    guest.gpu.getDisplayInfo();
    await setOutputs("320x200");
    clearEvents(guest);
    // Whichever came first.
    untilEvent(guest);
    expect(readOutputs(guest, 1)).toEqual(["320x200"]);
  }));

test("a front-end that does not read its channel keeps nobody waiting, and its guest reads the last modes", () =>
  withDevice(generic, async (guest) => {
    // Nothing runs the pump meanwhile; the socket has room for some hundreds.
    for (let width = 640; width < 1640; width++) await outputs(`${width}x480`);
    expectWorking(guest);
    untilEvent(guest);
    expect(readOutputs(guest, 1)).toEqual(["1639x480"]);
  }));

test("a front-end without a driver is told nothing, and its driver reads the outputs when it starts", () =>
  withDevice(generic, async (guest) => {
    guest.stop();
    const before = changes(guest);
    await setOutputs("720x480");
    // The event and the telling are of one moment.
    untilEvent(guest);
    guest.pump.serve(0);
    expect(changes(guest)).toBe(before);
    guest.start();
    expect(readOutputs(guest, 1)).toEqual(["720x480"]);
  }));

test("modes outlive front-ends, drivers and displays", async () => {
  await withDevice(generic, () => setOutputs("0=1000x700,2=500x400"));
  await withDevice(crosvm, async (guest) => {
    const sizes = () => guest.gpu.getDisplayInfo().modes.map(({ width, height }) => `${width}x${height}`);
    expect(sizes().slice(0, 3)).toEqual(["1000x700", "0x0", "500x400"]);
    guest.stop();
    guest.start();
    expect(sizes().slice(0, 3)).toEqual(["1000x700", "0x0", "500x400"]);
    expect(await server().control({ command: "kill", actor: "display" })).toEqual({ ok: true });
    // Asked of the one that comes.
    expect(sizes().slice(0, 3)).toEqual(["1000x700", "0x0", "500x400"]);
  });
});

test("a VMM with a display says the modes itself", () =>
  withDevice({}, async (guest) => {
    guest.gpu.getDisplayInfo();
    expect(await outputs()).toMatchObject({ ok: true, said: "vmm" });
    expect(await outputs("640x480")).toEqual({
      ok: false,
      error: expect.stringContaining("the VMM shows the picture and says the modes"),
    });
    expect(changes(guest)).toBe(0);
  }));

test("an output beyond those that there may be is refused with what mends it", () =>
  withDevice(generic, async (guest) => {
    // A VMM of before, with a display, is gone by now.
    guest.gpu.getDisplayInfo();
    expect(await outputs("3=on")).toEqual({
      ok: false,
      error: "there are outputs 0 to 2: a server started with --scanouts 4 has output 3",
    });
    const error = expect.stringContaining("outputs: want");
    expect(await outputs("640x480x2")).toMatchObject({ ok: false, error });
  }));
