// What a page may ask of a replay: read, or refused with a word on what is wrong.

import { Refusal } from "../../../src/transport/os/errors.ts";
import type { ReplayRequest } from "../../../src/transport/wire/replay/messages.ts";

export const requestBytesMax = 1024;
const speeds = { min: 0.01, max: 1000 };

/** Throws a {@link Refusal}. */
export function readReplayRequest(text: string): ReplayRequest {
  if (text.length > requestBytesMax) throw new Refusal("the request is too long");
  const { type, command, frame, time, commands, frames, speed } = parsed(text);
  switch (type) {
    case "play":
    case "pause":
      return { type };
    case "speed":
      if (speed === null) return { type, speed };
      if (typeof speed !== "number" || !(speed >= speeds.min && speed <= speeds.max))
        throw new Refusal(`want a speed from ${speeds.min} to ${speeds.max}, or null: as fast as it goes`);
      return { type, speed };
    case "seek":
      if (isCount(command)) return { type, command };
      if (isCount(frame)) return { type, frame };
      if (isCount(time)) return { type, time };
      throw new Refusal("want a command, a frame or a time in nanoseconds, from 0 on");
    case "step":
      if (isStep(commands)) return { type, commands };
      if (isStep(frames)) return { type, frames };
      throw new Refusal("want how many commands or frames, on or back");
    default:
      throw new Refusal("want type seek, step, play, pause or speed");
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isStep = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= 1_000_000_000;

function parsed(text: string): Partial<Record<string, unknown>> {
  try {
    return (JSON.parse(text) as Partial<Record<string, unknown>> | null) ?? {};
  } catch (error) {
    throw new Refusal("want JSON", { cause: error });
  }
}
