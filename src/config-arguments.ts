// Flags and arguments of any program here, and what is wrong with them in one sentence.

import { parseArgs, type ParseArgsConfig } from "node:util";

/** A mistake in a command line; its message is for the person who made it. */
export class UsageError extends Error {}

/** As `parseArgs` of node:util. Throws {@link UsageError}. */
export function readArguments<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(sentenceOf(error.message), { cause: error });
  }
}

/** Of what parseArgs says only the first sentence is about what was given. */
function sentenceOf(message: string): string {
  const [, flag] = /^Option '([^']+)' argument is ambiguous/.exec(message) ?? [];
  if (flag === undefined) return message.split(/\.? ?\n|\. /)[0]!;
  const written = flag.startsWith("--") ? `${flag}=-…` : `${flag}-…`;
  return `Option '${flag}' has no value: one that begins with a dash is written ${written}`;
}
