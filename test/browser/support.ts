// What every test of this folder needs: a real server with its inspector, a guest in front of it, and Chromium.

import { afterAll, beforeAll, expect } from "bun:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { serveTests } from "../device/support.ts";

/** What the browser says itself where a server refuses a request, or is gone: the page deals with it. */
const expected = /^(?:Failed to load resource: |WebSocket connection to .* failed)/;
const executablePath = "/usr/bin/chromium";

export interface PageTests {
  /** Boots a guest and opens a page at `hash`; `body` runs with both. Fails where the page says that something is wrong. */
  withPage: (hash: string, body: (page: Page, guest: SyntheticGuest) => Promise<void>) => Promise<void>;
  /** Another page, of a browser that knows nothing of the first. Fails as the first does, at the end of the test. */
  open: (hash: string, at?: URL) => Promise<Page>;
  /** The URL that the server has logged. */
  url: () => URL;
  control: ReturnType<typeof serveTests>["server"];
}

/** The URL that a server has logged for those who may look. */
export const urlIn = (log: string): URL => new URL(/inspector: open (\S+)/.exec(log)![1]!);

export function pageTests(...args: string[]): PageTests {
  const { withDevice, server } = serveTests("--inspect", "--renderer=software", ...args);
  let browser: Browser | null = null;
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];
  beforeAll(async () => {
    // Without a sandbox of its own, which root cannot have: it opens nothing but the page. Its pipe ends it with us.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: 20_000 });
  });
  afterAll(() => browser?.close());

  const url = (): URL => urlIn(server().log());
  const open = async (hash: string, at = url()): Promise<Page> => {
    const context = await browser!.newContext({
      viewport: { width: 1280, height: 720 },
      colorScheme: "dark",
    });
    contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (line) => {
      if (line.type() === "error" && !expected.test(line.text())) complaints.push(line.text());
    });
    await page.goto(`${at}#${hash}`);
    await page.locator(".connection.open").waitFor();
    return page;
  };
  const withPage: PageTests["withPage"] = (hash, body) =>
    withDevice({}, async (guest) => {
      try {
        await body(await open(hash), guest);
        expect(complaints).toEqual([]);
      } finally {
        await Promise.all(contexts.map((context) => context.close()));
        contexts = [];
        complaints = [];
      }
    });
  return { withPage, open, url, control: server };
}
