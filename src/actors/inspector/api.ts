// The views as JSON: what a page shows, for programs.

import { Refusal } from "../../transport/os/errors.ts";
import type { Breaks } from "./breaks.ts";
import type { CommandRecord } from "./feed.ts";
import { type Filter, recordFilter } from "./filter.ts";
import { metricsText, metricsType } from "./metrics.ts";
import type { OutputsRecord } from "./outputs-feed.ts";
import { picturesOf } from "./pictures.ts";
import type { Views } from "./views.ts";

const recordsMax = 10_000;
const recordsDefault = 200;

interface Told {
  views: Views;
  breaks: Breaks;
}

/** Answers a GET of `url`; `ns` is now. */
export async function answer(url: URL, told: Told, ns: number): Promise<Response> {
  try {
    return await found(url, told, ns);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return json({ error: error.message }, 400);
  }
}

/** Answers a POST of `url`, which changes what the guest is told. */
export async function change(url: URL, text: string, { outputs }: Views): Promise<Response> {
  if (url.pathname !== "/api/outputs") return json({ error: `${url.pathname} takes no POST` }, 405);
  try {
    return orSilent(await outputs.set(text));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return json({ error: error.message }, 400);
  }
}

/** Throws a {@link Refusal} where what is asked for makes no sense. */
async function found(url: URL, { views, breaks }: Told, ns: number): Promise<Response> {
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
    case "/api/load":
      return json(await views.load(ns));
    case "/api/commands":
      return commands(url.searchParams, views, ns);
    case "/api/picture":
      return picture(url.searchParams, views);
    case "/api/pictures":
      return pictures(url.searchParams, views);
    case "/api/outputs":
      return orSilent(await views.outputs.tell());
    case "/api/replay":
      // What this server shows is no recording, as far as it knows.
      return json(null);
    case "/api/break": {
      const { next, cause, ...told } = await breaks.tell(ns);
      return json({ ...told, next: next && withHex(next), cause: cause && withHex(cause) });
    }
    case "/metrics": {
      const { sinceNs } = await breaks.tell(ns);
      const pausedNs = sinceNs === 0 ? 0 : ns - sinceNs;
      const text = metricsText(await views.actors(ns), collector.latencies.tell(), pausedNs);
      return new Response(text, { headers: { "content-type": metricsType } });
    }
    default:
      return json({ error: `there is no ${url.pathname}` }, 404);
  }
}

function commands(parameters: URLSearchParams, { collector }: Views, ns: number): Response {
  const found = collector.past.last(filterIn(parameters, ns), limitIn(parameters));
  return json(found.map(withHex));
}

/** What a resource looks like. */
async function picture(parameters: URLSearchParams, { resources }: Views): Promise<Response> {
  const resource = Number(parameters.get("res") ?? "");
  if (!Number.isInteger(resource) || resource < 1 || resource > 0xffff_ffff)
    throw new Refusal("res: want a resource's number");
  const { png, error } = await resources.of(resource);
  if (png === undefined) return json({ error }, 404);
  return new Response(png as Uint8Array<ArrayBuffer>, {
    headers: { ...privately, "content-type": "image/png" },
  });
}

/** The last ones, or with `of` what came of a command. */
function pictures(parameters: URLSearchParams, { collector }: Views): Response {
  const command = parameters.get("of");
  const all = collector.pictures();
  return json(command === null ? all.slice(-limitIn(parameters)) : picturesOf(command, all));
}

function limitIn(parameters: URLSearchParams): number {
  const limit = Number(parameters.get("limit") ?? recordsDefault);
  if (Number.isInteger(limit) && limit >= 1 && limit <= recordsMax) return limit;
  throw new Refusal(`limit: want a whole number from 1 to ${recordsMax}`);
}

function filterIn(parameters: URLSearchParams, ns: number): Filter {
  try {
    return recordFilter(parameters.get("filter") ?? "", ns);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(`filter: ${error.message}`, { cause: error });
  }
}

const orSilent = (told: OutputsRecord | null): Response =>
  told === null ? json({ error: "the display does not answer" }, 503) : json(told);

const withHex = ({ request, ...command }: CommandRecord) => ({ ...command, request: request.toHex() });

/** Nothing of ours is kept by a browser, or read by another site. */
export const privately = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

const json = (value: unknown, status = 200): Response => Response.json(value, { status, headers: privately });
