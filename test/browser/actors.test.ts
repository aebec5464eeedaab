// The actors in Chromium: states, traffic on their edges, and messages decoded.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { Outsider } from "../../lab/vmm/outsider.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { pageTests } from "./support.ts";

const { withPage, control } = pageTests();

test("every actor is there with its state, and an edge lights up with what is said on it", () =>
  withPage("actors", async (page, guest) => {
    const { gpu } = guest;
    await page.locator("[data-actor=display]").waitFor();
    const names = await page.locator(".node .name").allTextContents();
    expect(names).toEqual(
      expect.arrayContaining(["supervisor", "vhost-session", "ctrl-queue", "cursor-queue", "display"]),
    );
    expect(new Set(await page.locator(".node .state").allTextContents())).toEqual(new Set(["running"]));
    await page.locator("[data-actor=supervisor]", { hasText: /(?<!\d)0 waiting/ }).waitFor();

    const screen = gpu.createImage(3, Format.B8G8R8X8, 64, 48);
    gpu.show(0, screen);
    const edge = page.getByRole("button", { name: /^ctrl-queue ↔ display: .*\/s/ });
    for (let frame = 0; frame < 200 && (await edge.count()) === 0; frame++) {
      gpu.flushResource(3, areaOf(screen));
      guest.pump.serve(5);
    }
    expect(await edge.getAttribute("class")).toContain("lit");
    await edge.focus();
    await page.keyboard.press("Enter");
    // Of some, a busy tap has only one end.
    const flushes = page.locator("aside li", { hasText: "flush ctrl-queue → display" });
    const whole = flushes
      .filter({ hasText: "height=48" })
      .filter({ hasText: /, taken after [\d.]+ (?:ns|µs|ms)/ });
    await whole.first().waitFor();
    await page.keyboard.press("Escape");
    expect(await page.locator("aside").count()).toBe(0);
  }));

test("an actor opens to its counters, and its restart is told", () =>
  withPage("actors", async (page, { gpu }) => {
    gpu.flushResource(4242, { x: 0, y: 0, width: 1, height: 1 });
    await page.locator("[data-actor=ctrl-queue]").focus();
    await page.keyboard.press("Enter");
    const facts = page.locator("aside .facts").first();
    const thread = /thread(\d+)/.exec(await facts.innerText().then((text) => text.replaceAll(/\s/g, "")))![1];
    expect(existsSync(`/proc/${control().pid}/task/${thread}`)).toBe(true);
    expect(await facts.innerText()).toMatch(/time working\s+[\d.]+ % awake, [\d.]+ % on a processor/);
    await facts.filter({ hasText: /time waiting\s*[\d.]+ %, woken [1-9][\d,]* times/ }).waitFor();
    const errors = page.locator("aside .counters dt:text-is('errors') + dd");
    await page.locator("aside .counters", { hasText: /errors1(?!\d)/ }).waitFor();
    expect(await errors.innerText()).toBe("1");
    expect(await control().control({ command: "kill", actor: "fence-poller" })).toEqual({ ok: true });
    await page.locator("[data-actor=fence-poller]", { hasText: "1 restarts" }).waitFor();
  }));

test("who works with the device from outside stands beside the actors, with what it counts, until it goes", () =>
  withPage("actors", async (page) => {
    const outsider = new Outsider(control().controlPath, "vmm");
    outsider.tell("running", { exitsForRegisters: 1234 });
    const box = page.locator("[data-actor=vmm]", { hasText: "outside of the server" });
    await box.waitFor();
    await box.focus();
    await page.keyboard.press("Enter");
    await page.locator("aside .counters", { hasText: "exitsForRegisters1,234" }).waitFor();
    expect(await page.locator("aside").innerText()).not.toContain("thread");
    outsider.close();
    await box.waitFor({ state: "detached" });
  }));
