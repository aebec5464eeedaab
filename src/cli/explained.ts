// What cannot be had, as a mistake in the settings that asked for it.

import { ConfigError } from "../config-error.ts";

export function explained<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new ConfigError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
