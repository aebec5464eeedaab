// What every test of this folder needs: a real server with its inspector, a guest in front of it, and Chromium.

import type { Page } from "playwright-core";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { serveTests } from "../device/support.ts";
import { browserTests, urlIn } from "./browser-tests.ts";

export interface PageTests {
  /** Boots a guest and opens a page at `hash`; `body` runs with both. Fails where the page says that something is wrong. */
  withPage: (hash: string, body: (page: Page, guest: SyntheticGuest) => Promise<void>) => Promise<void>;
  /** Another page, of a browser that knows nothing of the first. Fails as the first does, at the end of the test. */
  open: (hash: string, at?: URL) => Promise<Page>;
  /** The URL that the server has logged. */
  url: () => URL;
  control: ReturnType<typeof serveTests>["server"];
}

export function pageTests(...args: string[]): PageTests {
  const { withDevice, server } = serveTests("--inspect", "--renderer=software", ...args);
  const browser = browserTests();
  const url = (): URL => urlIn(server().log());
  const open = (hash: string, at = url()): Promise<Page> => browser.open(at, hash);
  const withPage: PageTests["withPage"] = (hash, body) =>
    withDevice({}, async (guest) => {
      try {
        await body(await open(hash), guest);
        browser.expectNoComplaint();
      } finally {
        await browser.close();
      }
    });
  return { withPage, open, url, control: server };
}
