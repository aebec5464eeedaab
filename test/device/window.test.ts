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
import { ScriptedCompositor } from "../support/wayland/scripted-compositor.ts";
import { expectOk } from "./support.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-window-"));
afterAll(() => rmSync(directory, { recursive: true }));

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
