// Chromium, for tests of the inspector's page: one a file, with pages that know nothing of each other.

import { afterAll, beforeAll, expect } from "bun:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** What the browser says itself where a server refuses a request, or is gone: the page deals with it. */
const expected = /^(?:Failed to load resource: |WebSocket connection to .* failed)/;
const executablePath = "/usr/bin/chromium";

/** The URL that a server has logged for those who may look. */
export const urlIn = (log: string): URL => new URL(/inspector: open (\S+)/.exec(log)![1]!);

export interface BrowserTests {
  /** Opens a page at `hash` and waits until the feed is there. */
  open: (url: URL, hash: string) => Promise<Page>;
  /** Fails where a page has said that something is wrong. */
  expectNoComplaint: () => void;
  /** Closes all pages. */
  close: () => Promise<void>;
}

export function browserTests(): BrowserTests {
  let browser: Browser | null = null;
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];
  beforeAll(async () => {
    // Without a sandbox of its own, which root cannot have: it opens nothing but the page. Its pipe ends it with us.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: 20_000 });
  });
  afterAll(() => browser?.close());

  const open = async (url: URL, hash: string): Promise<Page> => {
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
    await page.goto(`${url}#${hash}`);
    await page.locator(".connection.open").waitFor();
    return page;
  };
  const close = async (): Promise<void> => {
    await Promise.all(contexts.map((context) => context.close()));
    contexts = [];
    complaints = [];
  };
  return { open, expectNoComplaint: () => expect(complaints).toEqual([]), close };
}
