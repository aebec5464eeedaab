// All lifecycle machines: those that are compiled for workers, and the objects that the inspector draws.
import { actorMachine } from "./actor.ts";
import { compile } from "./compile.ts";
import { attachmentMachine, contextMachine } from "./context.ts";
import { deviceMachine } from "./device.ts";
import { fenceMachine } from "./fence.ts";
import { resourceMachine } from "./resource.ts";
import { scanoutMachine } from "./scanout.ts";
import { sessionMachine } from "./session.ts";
import { surfaceMachine } from "./surface.ts";
import { vringMachine } from "./vring.ts";

/** Every machine by name. */
export const machines = {
  device: deviceMachine,
  actor: actorMachine,
  session: sessionMachine,
  vring: vringMachine,
  resource: resourceMachine,
  attachment: attachmentMachine,
  context: contextMachine,
  scanout: scanoutMachine,
  fence: fenceMachine,
  surface: surfaceMachine,
};

/** The tables of all machines of workers, which are posted to them. */
export function compileAll() {
  return {
    vring: compile(vringMachine),
    resource: compile(resourceMachine),
    attachment: compile(attachmentMachine),
    context: compile(contextMachine),
    scanout: compile(scanoutMachine),
    fence: compile(fenceMachine),
    surface: compile(surfaceMachine),
    session: compile(sessionMachine),
  };
}

/** Import as a type only: a worker that receives the tables must not load this module. */
export type LifecycleTables = ReturnType<typeof compileAll>;
