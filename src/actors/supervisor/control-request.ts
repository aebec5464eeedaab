// What may be asked on the control socket, and what is wrong with a request in words.

import { isAbsolute } from "node:path";
import { z } from "zod";
import { oneOf } from "../../config-values.ts";
import { Refusal } from "../../transport/os/errors.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { workerNames } from "../registry.ts";

const scanoutWanted = `want a whole number from 0 to ${scanoutsMax - 1}`;

const requests = [
  z.object({ command: z.literal("status") }),
  z.object({
    command: z.literal("screenshot"),
    scanout: z
      .int(scanoutWanted)
      .min(0, scanoutWanted)
      .max(scanoutsMax - 1, scanoutWanted)
      .default(0),
    // The server works in /, which no client means by a name alone.
    path: z.string("want an absolute path").refine(isAbsolute, "want an absolute path"),
  }),
  z.object({ command: z.literal("kill"), actor: oneOf(workerNames) }),
  z.object({ command: z.literal("shutdown") }),
] as const;

const commands = requests.map(({ shape }) => shape.command.value);

const schema = z.discriminatedUnion("command", requests, {
  error: ({ input }) =>
    typeof input !== "object" || input === null || Array.isArray(input)
      ? "want one JSON object a line"
      : `want one of ${commands.join(", ")}`,
});
export type ControlRequest = z.infer<typeof schema>;

/** Throws a {@link Refusal} with a sentence on each field that makes no sense. */
export function readRequest(value: unknown): ControlRequest {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  const mistakes = error.issues.map(({ path, message }) => [...path, message].join(": "));
  throw new Refusal(mistakes.join("; "));
}
