// The views as JSON: what a page shows, for programs.

import { Refusal } from "../../transport/os/errors.ts";
import { recordFilter } from "./filter.ts";
import { metricsText, metricsType } from "./metrics.ts";
import type { Views } from "./views.ts";

const commandsMax = 10_000;
const commandsDefault = 200;

/** Answers a GET of `url`; `ns` is now. */
export async function answer(url: URL, views: Views, ns: number): Promise<Response> {
  const { collector } = views;
  switch (url.pathname) {
    case "/api/actors":
      return json(await views.actors(ns));
    case "/api/machines":
      return json(views.machines());
    case "/api/resources":
    case "/api/contexts":
    case "/api/fences": {
      const isOfFences = url.pathname === "/api/fences";
      // These the tap knows, too.
      const known = isOfFences ? views.inventoryOfSilent(ns) : null;
      const inventory = known ?? (await views.inventory(ns));
      if (inventory === null) return json({ error: "the ctrl queue does not answer" }, 503);
      return json(inventory[url.pathname.slice("/api/".length) as keyof typeof inventory]);
    }
    case "/api/latency":
      return json(collector.latencies.tell());
    case "/api/commands":
      return commands(url.searchParams, views);
    case "/metrics": {
      const text = metricsText(await views.actors(ns), collector.latencies.tell());
      return new Response(text, { headers: { "content-type": metricsType } });
    }
    default:
      return json({ error: `there is no ${url.pathname}` }, 404);
  }
}

function commands(parameters: URLSearchParams, { collector }: Views): Response {
  const limit = Number(parameters.get("limit") ?? commandsDefault);
  if (!Number.isInteger(limit) || limit < 1 || limit > commandsMax) {
    return json({ error: `limit: want a whole number from 1 to ${commandsMax}` }, 400);
  }
  try {
    const found = collector.commands(recordFilter(parameters.get("filter") ?? ""), limit);
    return json(found.map(({ request, ...command }) => ({ ...command, request: request.toHex() })));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return json({ error: `filter: ${error.message}` }, 400);
  }
}

/** Nothing of ours is kept by a browser, or read by another site. */
const json = (value: unknown, status = 200): Response =>
  Response.json(value, {
    status,
    headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
