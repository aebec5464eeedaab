// Every actor. What is known of one beyond its folder derives from its manifest; this list and `entries` are all that a
// new one is added to.

import type { z } from "zod";
import type { ServerConfig } from "../config.ts";
import { manifest as bridge } from "./bridge/manifest.ts";
import { manifest as cursor } from "./cursor/manifest.ts";
import { manifest as display } from "./display/manifest.ts";
import { manifest as fencePoller } from "./fence-poller/manifest.ts";
import { manifest as ctrlQueue } from "./gpu/manifest.ts";
import { manifest as inspector } from "./inspector/manifest.ts";
import { manifest as recorder } from "./recorder/manifest.ts";
import { manifest as session } from "./session/manifest.ts";
import type { Manifest } from "./runtime/manifest.ts";
import type { SupervisorMessage } from "./supervisor/messages.ts";

/** In the order in which they start; they stop in the reverse order. */
const manifests = [inspector, recorder, display, fencePoller, bridge, ctrlQueue, cursor, session] as const;

type Listed = (typeof manifests)[number];
export type WorkerName = Listed["name"];
export type ActorName = WorkerName | "supervisor";

/** What each actor may be told. */
export type Inbox = {
  [One in Listed as One["name"]]: z.infer<Awaited<ReturnType<One["schema"]>>>;
} & { supervisor: SupervisorMessage };

export const workerNames: readonly WorkerName[] = manifests.map(({ name }) => name);

/** Those that there are with these settings. */
export const workersFor = (config: ServerConfig): readonly WorkerName[] =>
  workerNames.filter((name) => manifestOf[name].isWanted?.(config) ?? true);

/** Those that may be started later. */
export const laterFor = (config: ServerConfig): readonly WorkerName[] =>
  workerNames.filter((name) => manifestOf[name].mayComeLater === true && !workersFor(config).includes(name));

export const manifestOf = Object.fromEntries(manifests.map((one) => [one.name, one])) as unknown as Readonly<
  Record<WorkerName, Manifest>
>;

type KeysOf<Areas> = Areas extends unknown ? keyof Areas : never;
export type AreaName = KeysOf<Listed["areas"]> & string;

/** The bytes of every shared area. */
export const areas: Readonly<Record<AreaName, number>> = Object.assign(
  {},
  ...manifests.map((one) => one.areas),
);

export const areaNames = Object.keys(areas) as readonly AreaName[];

/** The entry of each worker: literal paths, which hold in an executable too (scripts/lib/executable.ts). */
export const entries: Readonly<Record<WorkerName, () => URL>> = {
  inspector: () => new URL("./inspector/main.ts", import.meta.url),
  recorder: () => new URL("./recorder/main.ts", import.meta.url),
  display: () => new URL("./display/main.ts", import.meta.url),
  "fence-poller": () => new URL("./fence-poller/main.ts", import.meta.url),
  "resource-bridge": () => new URL("./bridge/main.ts", import.meta.url),
  "ctrl-queue": () => new URL("./gpu/main.ts", import.meta.url),
  "cursor-queue": () => new URL("./cursor/main.ts", import.meta.url),
  "vhost-session": () => new URL("./session/main.ts", import.meta.url),
};

/** Whether it has a process of its own. */
export const hasProcess = (name: WorkerName, { isolation }: Pick<ServerConfig, "isolation">): boolean =>
  isolation === "process" && manifestOf[name].place === "process";

/** Whether another one takes its place should it crash. */
export const mayReturn = (name: WorkerName, { isolation }: Pick<ServerConfig, "isolation">): boolean => {
  const { survives } = manifestOf[name];
  return survives === "as-process" ? isolation === "process" : survives;
};

/** The workers with which one has a line: it talks to them, or they to it. */
export function peersOf(name: WorkerName): readonly WorkerName[] {
  return workerNames.filter(
    (other) => manifestOf[name].talksTo.includes(other) || manifestOf[other].talksTo.includes(name),
  );
}

/** Loads the schema of an actor's mailbox, which takes time and memory. */
export async function schemaOf(name: ActorName) {
  if (name !== "supervisor") return await manifestOf[name].schema();
  return (await import("./supervisor/messages.ts")).SupervisorMessage;
}
