// What is around the views, in Chromium: who is let in, keys, a server that goes, what guests name.

import { expect, test } from "bun:test";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { urlIn } from "./browser-tests.ts";
import { pageTests } from "./support.ts";

const { withPage, open, url, control } = pageTests();

test("the URL opens the page and is forgotten, and nothing comes from elsewhere", () =>
  withPage("", async (page) => {
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const response = (await page.reload())!;
    expect(page.url()).not.toContain("token");
    expect(response.headers()["content-security-policy"]).toStartWith(
      "default-src 'none'; script-src 'self'",
    );
    await page.locator(".connection.open").waitFor();
    expect(asked.length).toBeGreaterThan(2);
    for (const one of asked) expect(new URL(one).host).toBe(url().host);
    expect((await fetch(new URL("/", url()))).status).toBe(401);
    expect((await fetch(new URL(asked.find((one) => one.endsWith(".js"))!))).status).toBe(401);
  }));

test("the page of a server that plays no recording has no bar for one", () =>
  withPage("screen", async (page) => {
    await page.waitForFunction(
      `performance.getEntriesByName(new URL("/api/replay", location).href).length > 0`,
    );
    expect(await page.locator(".replay").count()).toBe(0);
    await page.keyboard.press("?");
    expect(await page.getByRole("heading", { name: "Recording" }).count()).toBe(0);
  }));

test("keys open views, go to the filter, show keys and change the theme", () =>
  withPage("", async (page) => {
    const current = page.locator("nav a[aria-current]");
    await page.keyboard.press("5");
    await current.filter({ hasText: "Command log" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("t2?");
    expect(await page.locator("[data-filter]").inputValue()).toBe("t2?");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    expect(await page.locator("dialog").innerText()).toContain("export what is listed as JSON lines");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const dark = await ground();
    await page.keyboard.press("t");
    expect(await ground()).toBe(dark);
    await page.keyboard.press("t");
    expect(await ground()).not.toBe(dark);
    await page.reload();
    expect(await ground()).not.toBe(dark);
    expect(await current.innerText()).toContain("Command log");
  }));

test("what guests name is text, whatever they name", () =>
  withPage("commands?filter=type:ctx", async (page, { gpu }) => {
    gpu.createContext(5, "<img src=x onerror=alert(1)><script>alert(2)</script>");
    await page.locator(".line", { hasText: "<img src=x onerror=alert(1)><script>" }).click();
    expect(await page.locator("aside").innerText()).toContain("<script>alert(2)</script>");
    expect(await page.locator("img, #page script").count()).toBe(0);
  }));

test("two pages have subscriptions of their own, and a page finds an inspector that came back", () =>
  withPage("commands?filter=res:1", async (page, { gpu }) => {
    const other = await open("commands?filter=res:2");
    gpu.createResource2d(1, 1, 4, 4);
    gpu.createResource2d(2, 1, 5, 5);
    await page.locator(".line", { hasText: "4×4" }).waitFor();
    await other.locator(".line", { hasText: "5×5" }).waitFor();
    expect([
      await page.locator(".long-list .line").count(),
      await other.locator(".long-list .line").count(),
    ]).toEqual([1, 1]);
    expect(await control().control({ command: "kill", actor: "inspector" })).toEqual({ ok: true });
    await page.locator(".connection.lost").waitFor();
    await page.locator(".connection.open").waitFor();
    gpu.unrefResource(1);
    await page.locator(".line", { hasText: "RESOURCE_UNREF" }).waitFor();
  }));

test(
  "a server that stops is told, and so is another one in its place, which wants its own URL",
  () =>
    withPage("", async () => {
      let server = await ServerProcess.start({ args: ["--inspect"] });
      try {
        const first = urlIn(server.log());
        const page = await open("latency", first);
        await server.stop();
        await page.locator(".connection.lost").waitFor();
        server = await ServerProcess.start({ args: [`--inspect=${first.host}`] });
        await page.locator(".connection.refused").waitFor();
        await page.goto(urlIn(server.log()).href);
        await page.locator(".connection.open").waitFor();
      } finally {
        await server.stop();
      }
    }),
  120_000,
);

test("the feed is asked for what the open view shows and for nothing else, the filter being the log's alone", () =>
  withPage("latency", async (page) => {
    const wanted = new Map<string, string | undefined>();
    page.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => {
        const { type, topic, filter } = JSON.parse(String(payload)) as Record<string, string>;
        if (type === "subscribe") wanted.set(topic!, filter);
        else wanted.delete(topic!);
      }),
    );
    await page.reload();
    await page.locator(".connection.open").waitFor();
    const [log, timeline] = [{ commands: "res:1" }, { commands: undefined, pictures: undefined }];
    const steps: [hash: string, topics: Record<string, string | undefined>][] = [
      ["commands?filter=res:1", log],
      ["timeline", timeline],
      ["commands?filter=res:1", log],
      ["commands", { commands: undefined }],
      ["timeline", timeline],
      ["screen", { cursors: undefined, screen: undefined, pictures: undefined }],
      ["actors", { actors: undefined, messages: undefined }],
    ];
    for (const [hash, topics] of steps) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      // What is asked for beyond that stays, and is in the way of the next, or of the last.
      while (!Bun.deepEquals(Object.fromEntries(wanted), topics, true)) await Bun.sleep(10);
    }
    await page.evaluate("new Promise((resolve) => requestAnimationFrame(resolve))");
    expect(Object.fromEntries(wanted)).toStrictEqual(steps.at(-1)![1]);
  }));
