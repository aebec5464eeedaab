// What closing a window does to the whole device, by a compositor that closes it.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { ScriptedCompositor } from "../../lab/vmm/scripted-compositor.ts";
import { expectOk } from "./support.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-window-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("the size that a window is given reaches the guest of QEMU's generic device, which takes it", async () => {
  const path = join(directory, "wayland-3");
  const server = await ServerProcess.start({ args: [`--wayland=${path}`] });
  const guest = SyntheticGuest.boot(server.socketPath, { display: null, patienceMs: driverPatienceMs });
  const compositor = new ScriptedCompositor(path, guest.pump);
  const sizes = (): string[] => {
    const { edid } = guest.gpu.getEdid(0);
    const { width, height } = guest.gpu.getDisplayInfo().modes[0]!;
    return [
      `${width}x${height}`,
      `${edid[56]! | ((edid[58]! & 0xf0) << 4)}x${edid[59]! | ((edid[61]! & 0xf0) << 4)}`,
    ];
  };
  try {
    const image = guest.gpu.createImage(1, Format.B8G8R8X8, 640, 480);
    guest.gpu.show(0, image);
    guest.pump.until(() => compositor.all("xdg_toplevel").length === 1, "the window");
    // As it is drawn larger by hand: what comes together is one mode.
    for (const width of [700, 800, 900, 1000]) compositor.configure(undefined, width, 700);
    guest.pump.until(() => guest.frontend.backendRequests.length > 0, "the change of the configuration");
    // More than one where the server was slow to read them.
    guest.pump.until(() => sizes()[0] === "1000x700", "the last of them");
    expect(sizes()).toEqual(["1000x700", "1000x700"]);
    guest.gpu.show(0, guest.gpu.createImage(2, Format.B8G8R8X8, 1000, 700));
    expect(await server.control({ command: "outputs" })).toMatchObject({
      outputs: [{ isOn: true, width: 1000, height: 700 }],
    });
  } finally {
    guest.close();
    compositor.close();
    await server.stop();
  }
});

test("a window that is closed beside another is a monitor that was unplugged; the last one ends the device", async () => {
  const path = join(directory, "wayland-2");
  const args = [`--wayland=${path}`, "--outputs", "64x64,64x64"];
  const server = await ServerProcess.start({ args });
  const guest = SyntheticGuest.boot(server.socketPath, { display: null, patienceMs: driverPatienceMs });
  const compositor = new ScriptedCompositor(path, guest.pump);
  try {
    const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 64);
    guest.gpu.show(0, image);
    guest.pump.until(() => compositor.all("xdg_toplevel").length === 1, "the first window");
    guest.gpu.show(1, image);
    guest.pump.until(() => compositor.all("xdg_toplevel").length === 2, "the second window");
    const [first, second] = compositor.all("xdg_toplevel");
    compositor.send(first!, "close");
    guest.pump.until(() => guest.frontend.backendRequests.length === 1, "the change of the configuration");
    expect(
      guest.gpu
        .getDisplayInfo()
        .modes.slice(0, 2)
        .map(({ enabled }) => enabled),
    ).toEqual([false, true]);
    // The driver turns it off, and the window goes.
    expectOk(guest.gpu.setScanout(0, 0, areaOf(image)));
    guest.pump.until(() => compositor.all("xdg_toplevel").length === 1, "the window to go");
    expect(await server.control({ command: "outputs-set", outputs: "0=on" })).toMatchObject({ ok: true });
    guest.pump.until(() => guest.frontend.backendRequests.length === 2, "the output that is back");
    guest.gpu.show(0, image);
    guest.pump.until(() => compositor.all("xdg_toplevel").length === 2, "its window");
    await server.control({ command: "outputs-set", outputs: "0=off" });
    compositor.send(second!, "close");
    guest.pump.until(() => !compositor.isConnected, "the end of the connection");
    expect(await server.exited).toBe(0);
    expect(server.log()).toContain("output 0 is off: its window was closed");
  } finally {
    guest.close();
    compositor.close();
    await server.stop();
  }
});

test("a window that is closed ends the device in order, with code 0", async () => {
  const path = join(directory, "wayland-0");
  const server = await ServerProcess.start({ args: [`--wayland=${path}`] });
  const guest = SyntheticGuest.boot(server.socketPath, { patienceMs: 10_000 });
  // It comes later than the server, which looks for it.
  const compositor = new ScriptedCompositor(path, guest.pump);
  try {
    const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 64);
    expectOk(guest.gpu.transferToHost2d(1, areaOf(image)));
    guest.gpu.show(0, image);
    guest.pump.until(() => compositor.all("xdg_toplevel").length === 1, "the window");
    compositor.configure();
    guest.pump.until(() => compositor.all("wl_buffer").length === 1, "its picture");
    compositor.send(compositor.one("xdg_toplevel"), "close");
    guest.pump.until(() => !compositor.isConnected, "the end of the connection");
    expect(await server.exited).toBe(0);
    expect(server.log()).toContain("stopped: its window was closed");
  } finally {
    guest.close();
    compositor.close();
    await server.stop();
  }
});
