// What an actor says of itself, once; the registry gathers it.

import type { ZodType } from "zod";
import type { ServerConfig } from "../../config.ts";

/** What an actor needs of the host beyond messages, memory and time: what its sandbox has to leave it. */
export type Right =
  /** Maps the guest's memory. */
  | "guest-memory"
  /** Listens on sockets that have a path. */
  | "listen"
  /** Connects to sockets that have a path. */
  | "connect"
  /** Opens DRM nodes, /dev/udmabuf, and whatever a GL driver opens. */
  | "gpu";

export interface Manifest {
  readonly name: string;
  /** Actors that it sends messages to; all of them have a line to the supervisor. */
  readonly talksTo: readonly string[];
  /**
   * Whether its state can be restored: a crash of any other ends the device. "as-process": only where it has a process of its
   * own, with which all goes that it had of the host.
   */
  readonly survives: boolean | "as-process";
  /** Whether the device goes on without it where it crashes again and again. */
  readonly isSpare?: boolean;
  /** What it counts, in the order in which it lies in shared memory. */
  readonly counters: readonly string[];
  /** Where it runs: in a process of its own, where the settings isolate, if it parses what a guest has written. */
  readonly place: "thread" | "process";
  /** Memory that it shares with others, by name in bytes: the host makes it, it is there for the whole life of the process. */
  readonly areas: Readonly<Record<string, number>>;
  readonly rights: readonly Right[];
  /** What its kept words say of what it was doing, once its process has died; "" where they say nothing. */
  readonly lastWords?: (keep: Int32Array) => string;
  /** Whether these settings ask for it; missing where there is no device without it. */
  readonly isWanted?: (config: ServerConfig) => boolean;
  /** Whether it may be started later where they do not; what it shares with others is there from the beginning. */
  readonly mayComeLater?: boolean;
  /** The schema of its mailbox, which is loaded only where messages are checked. */
  readonly schema: () => Promise<ZodType>;
}
