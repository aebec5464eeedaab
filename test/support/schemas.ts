// The schema of every mailbox, loaded once.

import type { ZodType } from "zod";
import { type ActorName, schemaOf, workerNames } from "../../src/actors/registry.ts";

const names: readonly ActorName[] = [...workerNames, "supervisor"];

export const schemas = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await schemaOf(name)] as const)),
) as Record<ActorName, ZodType>;

/** The types of the messages of a mailbox. */
export const typesOf = (schema: ZodType): string[] =>
  (schema as unknown as { options: { shape: { type: { value: string } } }[] }).options.map(
    ({ shape }) => shape.type.value,
  );
