// A workload: what is done to a server, and how the two sides are placed for it.

import type { GuestOptions } from "../../lab/driver/synthetic-guest.ts";
import type { Backend, Renderer } from "./backends.ts";
import type { Figure } from "./figure.ts";
import type { Budget, Stage } from "./stage.ts";

interface Common {
  /** As in `--filter`: a path from the general to the special. */
  name: string;
  title: string;
  renderer: Renderer;
  /** Whether its guest has Vulkan. */
  needsVulkan?: true;
  /** Whether displays are sent all that they take, where a back-end would send what a person can see. */
  isUnpaced?: true;
}

/** Runs in a driver's process, in front of a fresh server. */
export interface GuestWorkload extends Common {
  kind: "guest";
  /**
   * Driver and server have processors of their own, which are kept awake, and the driver watches its ring without
   * sleeping. Otherwise both sleep when they have nothing to do, and the kernel places them.
   */
  pinned: boolean;
  /** When the renderer was done with fences is written down inside of the server: {@link Stage.clock}. */
  timesFences?: boolean;
  /** How long its driver comes after the VMM, in milliseconds, as where firmware runs first. */
  bootMs?: number;
  guest?: GuestOptions;
  measure(stage: Stage): Figure[];
}

/** Starts servers itself. */
export interface ServerWorkload extends Common {
  kind: "server";
  measure(backend: Backend, budget: Budget): Promise<Figure[]>;
}

export type Workload = GuestWorkload | ServerWorkload;
