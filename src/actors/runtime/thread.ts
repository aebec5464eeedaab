// An actor as a thread of this process.

import { entries, type WorkerName } from "../registry.ts";
import type { LineEnd } from "./lines/line.ts";
import { portsOf } from "./lines/open.ts";
import type { ActorStart } from "./start.ts";
import { settlesWithin } from "./timers.ts";

/** An actor that was started. */
export interface Running {
  /** The process that is its own, if it has one. */
  readonly pid: number | null;
  /** Ends it at once, if that can be done from outside. */
  end(): void;
  /** Settles once its process is no more; null where it has none. */
  readonly ended: Promise<unknown> | null;
}

/**
 * Waits until the process of `running` has ended, for no longer than `ms`, and ends it then; returns whether it has ended by itself.
 */
export async function endedWithin({ ended, end }: Running, ms: number): Promise<boolean> {
  if (await settlesWithin(ended!, ms)) return true;
  end();
  // The kernel may keep it for as long as a device of its takes.
  await settlesWithin(ended!, ms);
  return false;
}

/** Starts a thread; `lost` hears why it ended where its loop could not say so. */
export function startThread(name: WorkerName, start: ActorStart, lost: (reason: string) => void): Running {
  // The web's Worker: one of node:worker_threads brings Node's streams, which take longer and more memory than an actor.
  const worker = new Worker(entries[name](), {
    name,
    smol: true,
    workerData: start,
    transferList: portsOf(start.lines.map(([, end]): LineEnd => end)),
  } as WorkerOptions);
  // What the actor's loop could not catch, such as a module that does not load.
  worker.onerror = (event) => {
    event.preventDefault();
    lost(messageOf(event.message));
  };
  // One that is inside of a library call ends with the process.
  return { pid: null, end: () => void worker.terminate(), ended: null };
}

/** The engine shows lines of the program before what was thrown, and a stack behind it. */
const messageOf = (text: string): string => /^(?:\w*[eE]rror): (.*)$/m.exec(text)?.[1] ?? text.trim();
