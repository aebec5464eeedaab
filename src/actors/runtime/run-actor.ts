// A worker's loop: it sleeps in epoll until there is something to do.

import { ConfigError } from "../../config-error.ts";
import { closeLibc } from "../../ffi/libc.ts";
import { type Inbox, manifestOf, type WorkerName } from "../registry.ts";
import type { Actor, ActorContext } from "./actor.ts";
import { isUp } from "./start.ts";
import { WorkerRuntime } from "./worker.ts";

/** After which a start is over. */
const tidyAfterMs = 300;

/** Runs the actor that `create` makes until the supervisor stops it. The last statement of a worker's entry file. */
export async function runActor<Name extends WorkerName>(
  name: Name,
  create: (context: ActorContext) => Actor<Inbox[Name]> | Promise<Actor<Inbox[Name]>>,
): Promise<void> {
  const worker = new WorkerRuntime(name);
  await worker.prepare();
  try {
    worker.actor = await create(worker);
    const { startsPrograms = false } = worker.actor;
    for (const { level, text } of isUp(startsPrograms)) worker.log[level](text);
    worker.send("supervisor", { type: "started", startsPrograms });
    // What loading the modules has left would stay for as long as nothing happens here; others still start.
    worker.timers.after(tidyAfterMs, () => worker.tidy());
    while (!worker.isStopping()) {
      const more = worker.turn();
      if (!more && !worker.isStopping()) worker.sleep();
    }
  } catch (error) {
    // What is mapped and open outlives the thread: a successor would find it taken, and the process would grow.
    if (manifestOf[name].survives === true) releaseQuietly(worker.actor);
    worker.epoll.close();
    const reason = (error as Error).message;
    if (error instanceof ConfigError) {
      worker.send("supervisor", { type: "misconfigured", reason });
      worker.send("supervisor", { type: "stopped" });
    } else worker.send("supervisor", { type: "crashed", reason });
    worker.leave();
    // A process ends with its thread, and the others' end with the server: this one's may go on.
    if (!worker.isChild) closeLibc();
    return;
  }
  worker.actor.stop?.();
  worker.send("supervisor", { type: "stopped" });
  worker.leave();
}

/** Stops an actor that has failed; it may fail at that too. */
export function releaseQuietly(actor: Actor<never> | null): void {
  try {
    actor?.stop?.();
  } catch {
    // The first error says why.
  }
}
