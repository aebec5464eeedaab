// What may be asked on the control socket, and what is wrong with a request in words.

import { AbsolutePath, integer, type Kind, oneOf, ValueError } from "../../config-values.ts";
import { OutputsText } from "../output-changes.ts";
import { Counters, OutsiderName, OutsiderState } from "./outsiders.ts";
import { Refusal } from "../../transport/os/errors.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { levels } from "../runtime/log.ts";
import { workerNames } from "../registry.ts";

/** What each command takes. */
const fieldsOf = {
  status: {},
  screenshot: {
    scanout: integer(0, scanoutsMax - 1).default(0),
    // The server works in /, which no client means by a name alone.
    path: AbsolutePath,
  },
  snapshot: { path: AbsolutePath },
  inspector: {},
  "trace-start": { path: AbsolutePath },
  "trace-stop": {},
  "record-start": { path: AbsolutePath },
  "record-stop": {},
  outputs: {},
  "outputs-set": { outputs: OutputsText },
  outsider: { name: OutsiderName, state: OutsiderState, counters: Counters },
  "log-level": { level: oneOf(levels) },
  kill: { actor: oneOf(workerNames) },
  shutdown: {},
} as const;

type Fields = typeof fieldsOf;
type CommandName = keyof Fields;
type Values<Of> = { [Key in keyof Of]: Of[Key] extends Kind<infer T> ? T : never };
export type ControlRequest = {
  [Name in CommandName]: { command: Name } & Values<Fields[Name]>;
}[CommandName];

const command = oneOf(Object.keys(fieldsOf) as CommandName[]);

/** Throws a {@link Refusal} with a sentence on each field that makes no sense. */
export function readRequest(value: unknown): ControlRequest {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal("want one JSON object a line");
  }
  const given = value as Record<string, unknown>;
  const { command: name } = readFields({ command }, given);
  return { command: name, ...readFields(fieldsOf[name], given) } as ControlRequest;
}

function readFields<Of extends Readonly<Record<string, Kind<unknown>>>>(
  fields: Of,
  given: Readonly<Record<string, unknown>>,
): Values<Of> {
  const mistakes: string[] = [];
  const values = Object.entries(fields).map(([name, kind]) => {
    try {
      return [name, kind.read(Object.hasOwn(given, name) ? given[name] : undefined)];
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      mistakes.push(`${name}: ${error.message}`);
      return [name];
    }
  });
  if (mistakes.length > 0) throw new Refusal(mistakes.join("; "));
  return Object.fromEntries(values) as Values<Of>;
}
