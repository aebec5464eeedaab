// What a page may say: parsed, or refused with a word on what is wrong.

import { Refusal } from "../../transport/os/errors.ts";
import { type PageRequest, type Topic, topics } from "./feed.ts";

/** What is about the ctrl queue, and no topic of the feed. */
export type BreakRequest = Exclude<PageRequest, { topic: unknown }>;

const requestCharactersMax = 4096;
const stepsMax = 1_000_000;

const types = ["subscribe", "unsubscribe", "break", "clear", "step", "continue"] as const;

/** Throws a {@link Refusal}. */
export function readPageRequest(text: string): PageRequest {
  if (text.length > requestCharactersMax) throw new Refusal("the request is too long");
  const { type, topic, filter, count } = parsed(text);
  if (filter !== undefined && typeof filter !== "string") throw new Refusal("want a filter as text");
  switch (type) {
    case "subscribe":
    case "unsubscribe":
      if (!topics.includes(topic as Topic)) throw new Refusal(`want a topic: ${topics.join(", ")}`);
      return { type, topic: topic as Topic, ...(filter === undefined ? {} : { filter }) };
    case "break":
      return { type, filter: filter ?? "" };
    case "step":
      if (!Number.isInteger(count) || (count as number) < 1 || (count as number) > stepsMax)
        throw new Refusal(`want a count from 1 to ${stepsMax}`);
      return { type, count: count as number };
    case "clear":
    case "continue":
      return { type };
    default:
      throw new Refusal(`want type ${types.join(", ")}`);
  }
}

function parsed(text: string): Partial<Record<string, unknown>> {
  try {
    return (JSON.parse(text) as Partial<Record<string, unknown>> | null) ?? {};
  } catch (error) {
    throw new Refusal("want JSON", { cause: error });
  }
}
