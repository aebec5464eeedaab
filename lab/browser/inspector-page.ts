// The inspector's page in a headless Chromium, for whoever measures it.

import { join } from "node:path";
import { type Browser, type CDPSession, chromium, type Page } from "playwright-core";
import { inspectorUrl } from "../vmm/inspector-url.ts";
import type { ServerProcess } from "../vmm/server-process.ts";

const executablePath = join(import.meta.dir, "chromium.sh");
/** As they stand in the page's URL. */
export const inspectorViews = [
  "actors",
  "timeline",
  "resources",
  "machines",
  "commands",
  "latency",
  "screen",
] as const;
const viewport = { width: 1280, height: 720 };
const patienceMs = 30_000;

/** What the page's engine has kept, after a collection. */
export interface PageMemory {
  heapBytes: number;
  nodes: number;
  listeners: number;
}

export class InspectorPage {
  private constructor(
    private readonly browser: Browser,
    readonly page: Page,
    private readonly devtools: CDPSession,
  ) {}

  /** Opens `view` of a server's page and waits until the feed is there. */
  static async open(server: ServerProcess, view: string): Promise<InspectorPage> {
    return await InspectorPage.at(await inspectorUrl(server, patienceMs), view);
  }

  /** As {@link open}, at an address with its token. */
  static async at(url: URL, view: string): Promise<InspectorPage> {
    // Without a sandbox of its own, which root cannot have: it opens nothing but the page. Its pipe ends it with us.
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: patienceMs });
    try {
      const page = await browser.newPage({ viewport, colorScheme: "dark" });
      page.setDefaultTimeout(patienceMs);
      await page.goto(`${url}#${view}`);
      await page.locator(".connection.open").waitFor();
      const devtools = await page.context().newCDPSession(page);
      await devtools.send("Performance.enable");
      return new InspectorPage(browser, page, devtools);
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  async show(view: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(view)}`);
  }

  async memory(): Promise<PageMemory> {
    await this.devtools.send("HeapProfiler.collectGarbage");
    const { metrics } = await this.devtools.send("Performance.getMetrics");
    const of = (wanted: string): number => metrics.find(({ name }) => name === wanted)?.value ?? NaN;
    return { heapBytes: of("JSHeapUsedSize"), nodes: of("Nodes"), listeners: of("JSEventListeners") };
  }

  close(): Promise<void> {
    return this.browser.close();
  }
}
