// What an actor is given when it starts, by whoever starts it: as a thread's data, or read by a process at its start.

import { workerData } from "node:worker_threads";
import type { ServerConfig } from "../../config.ts";
import type { LifecycleTables } from "../machines/index.ts";
import type { ActorName } from "../registry.ts";
import type { LineEnd } from "./lines/line.ts";
import type { WordsPlace } from "./shared-words.ts";

export interface ActorStart {
  config: ServerConfig;
  machines: LifecycleTables;
  words: WordsPlace;
  /** Where the actors' taps lie; -1 where nobody will ever read them. */
  tapsFd: number;
  bellFds: Record<string, number>;
  areaFds: Record<string, number>;
  /** Where the areas are mapped in this process; none in a process that has its own. */
  areaPlaces: Record<string, number>;
  lines: [ActorName, LineEnd][];
  /** Whether it has a process of its own, whose parent is trusted. */
  isChild: boolean;
}

let given: ActorStart | null = null;

/** What a process does once its actor is there, and before that does anything. Returns what there is to say of it. */
type WhenUp = (startsPrograms: boolean) => { level: "info" | "warning"; text: string }[];

let whenUp: WhenUp = () => [];

/** The process that this is runs an actor, which begins with `start`. */
export function begin(start: ActorStart, up: WhenUp): void {
  given = start;
  whenUp = up;
}

/** The actor is there. */
export const isUp: WhenUp = (startsPrograms) => whenUp(startsPrograms);

export const ownStart = (): ActorStart => given ?? (workerData as ActorStart);
