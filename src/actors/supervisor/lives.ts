// The life of each actor, by its machine.

import { type Actor as Machine, createActor } from "xstate";
import { actorMachine } from "../machines/actor.ts";
import type { ServerConfig } from "../../config.ts";
import { hasRoomFor } from "../../transport/os/fds.ts";
import { manifestOf, mayReturn, type WorkerName } from "../registry.ts";
import type { Manifest } from "../runtime/manifest.ts";
import type { LogSink } from "./log-sink.ts";

export type Life = Machine<typeof actorMachine>;
type Logs = Pick<LogSink, "write">;

/** A pause before a restart; and one where the host has no room for it. */
const pauseMs = 10;
const roomPauseMs = 500;
/** What lines to all peers take, the start of a process, and a little more. */
const descriptorsWanted = 64;

/** Follows the life of an actor that is about to start. */
export function begun(name: WorkerName, config: ServerConfig): Life {
  const life = createActor(actorMachine, { input: { restartable: mayReturn(name, config) } });
  life.start().send({ type: "SPAWN" });
  return life;
}

/** Has `restart` start another one, of which half would be worse than none: once there are descriptors for it. `log` hears of it if not. */
export function comeBack(life: Life, name: WorkerName, restart: () => void, log: Logs, ms = pauseMs): void {
  setTimeout(() => {
    if (!life.getSnapshot().matches("restarting")) return;
    if (!hasRoomFor(descriptorsWanted)) {
      if (ms === pauseMs) log.write("warning", name, "waits: the host is out of descriptors");
      return comeBack(life, name, restart, log, roomPauseMs);
    }
    life.send({ type: "SPAWN" });
    restart();
  }, ms);
}

/** It is to stop: `endStart` ends one that has not come up yet, if it can. Returns whether one was to come that does not come now. */
export function stopping(life: Life, endStart: () => boolean): boolean {
  const snapshot = life.getSnapshot();
  // One that is given up is told nothing more.
  if (snapshot.status !== "active") return false;
  const isEnded = snapshot.matches("spawning") && endStart();
  life.send({ type: "STOP" });
  if (isEnded) life.send({ type: "EXITED" });
  return isEnded || snapshot.matches("restarting");
}

/** Whether it is neither there nor about to come: nobody has asked for it yet, or it was given up. */
export const isAbsent = (life: Life | undefined): boolean => life?.getSnapshot().matches("failed") ?? true;

/** Whether the device goes on without it where it is given up. */
export const isSpare = (name: WorkerName): boolean => (manifestOf[name] as Manifest).isSpare === true;

/** Whether everything that a front-end can reach is there. */
export const areUp = (lives: ReadonlyMap<WorkerName, Life>): boolean =>
  [...lives].every(([name, life]) => {
    const snapshot = life.getSnapshot();
    return snapshot.matches("running") || (snapshot.matches("failed") && isSpare(name));
  });
