// The loop of an actor that needs the engine's own event loop, as for Bun.serve: it looks for messages at a steady pace.

import { manifestOf, type Inbox, type WorkerName } from "../registry.ts";
import type { Actor, ActorContext } from "./actor.ts";
import { releaseQuietly } from "./run-actor.ts";
import { WorkerRuntime } from "./worker.ts";

const turnMs = 16;
/** How often it looks for a message that a turn waits for. */
const soonMs = 1;

/** Runs the actor that `create` makes until the supervisor stops it. The last statement of a worker's entry file. */
export async function runInEventLoop<Name extends WorkerName>(
  name: Name,
  create: (context: ActorContext) => Actor<Inbox[Name]>,
): Promise<void> {
  const worker = new WorkerRuntime(name);
  await worker.prepare();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let timer: Timer | undefined;
  let soon: Timer | undefined;
  const turn = (): void => {
    clearTimeout(soon);
    try {
      worker.tap?.look();
      if (worker.isRung()) worker.drain();
      worker.timers.runDue();
      if (worker.actor!.turn?.() === true) soon = setTimeout(lookForMessage, soonMs);
      if (worker.isStopping()) resolve();
    } catch (error) {
      // Whatever it is, it ends the actor below.
      reject(error as Error);
    }
  };
  const lookForMessage = (): void => {
    if (worker.isRung()) turn();
    else soon = setTimeout(lookForMessage, soonMs);
  };
  try {
    worker.actor = create(worker);
    worker.send("supervisor", { type: "started", startsPrograms: false });
    timer = setInterval(turn, turnMs);
    await promise;
  } catch (error) {
    clearInterval(timer);
    clearTimeout(soon);
    if (manifestOf[name].survives === true) releaseQuietly(worker.actor);
    worker.epoll.close();
    worker.send("supervisor", { type: "crashed", reason: (error as Error).message });
    worker.leave();
    return;
  }
  clearInterval(timer);
  clearTimeout(soon);
  await worker.actor.stop?.();
  worker.send("supervisor", { type: "stopped" });
  worker.leave();
}
