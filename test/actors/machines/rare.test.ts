// The machines that run as xstate actors, device and worker actor, and that of the session.
import { expect, test } from "bun:test";
import { createActor } from "xstate";
import { actorMachine } from "../../../src/actors/machines/actor.ts";
import { stateName } from "../../../src/actors/machines/compile.ts";
import { type DeviceEvent, deviceMachine, exitCodes } from "../../../src/actors/machines/device.ts";
import { isAccepted, refusalOf } from "../../../src/actors/machines/refusal.ts";
import { RESTARTS_MAX } from "../../../src/actors/machines/restarts.ts";
import { type SessionEvent, sessionMachine } from "../../../src/actors/machines/session.ts";

function runDevice(...events: DeviceEvent[]) {
  const device = createActor(deviceMachine).start();
  for (const event of events) device.send(event);
  return device.getSnapshot();
}

function runActor(
  restartable: boolean,
  ...events: ("SPAWN" | "READY" | "CRASH" | "SETTLED" | "STOP" | "EXITED")[]
) {
  const actor = createActor(actorMachine, { input: { restartable } }).start();
  for (const type of events) actor.send({ type });
  return stateName(actor.getSnapshot());
}

function runSession(...events: SessionEvent["type"][]) {
  const session = createActor(sessionMachine).start();
  for (const type of events) session.send({ type });
  return session.getSnapshot();
}

test("device follows its session", () => {
  const up = [{ type: "READY" }, { type: "SESSION_UP" }, { type: "DRIVER_OK" }] as const;

  expect(runDevice(...up).value).toBe("running");
  expect(runDevice(...up, { type: "ACTOR_RESTARTED", actor: "display" }).value).toBe("running");
  expect(runDevice(...up, { type: "DRIVER_STOPPED" }).value).toBe("connected");
  expect(runDevice(...up, { type: "SESSION_DOWN" }).value).toBe("listening");
});

test("device asked to stop ends with exit code 0", () => {
  const ended = runDevice(
    { type: "READY" },
    { type: "SHUTDOWN", reason: "the window was closed" },
    { type: "STOPPED" },
  );

  expect(ended.value).toBe("stopped");
  expect(ended.output).toEqual({ exitCode: exitCodes.ok, reason: "the window was closed" });
});

test("device whose only front-end leaves ends with exit code 0", () => {
  const ended = runDevice(
    { type: "READY" },
    { type: "SESSION_UP" },
    { type: "SESSION_CLOSED" },
    { type: "STOPPED" },
  );

  expect(ended.output).toEqual({ exitCode: exitCodes.ok, reason: "the front-end has gone" });
});

test("device that loses an actor stops in order and its exit code says so", () => {
  const stopping = runDevice({ type: "READY" }, { type: "ACTOR_LOST", reason: "it crashed" });
  const ended = runDevice(
    { type: "READY" },
    { type: "ACTOR_LOST", reason: "it crashed" },
    { type: "STOPPED" },
  );

  expect(stopping.value).toBe("stopping");
  expect(ended.value).toBe("failed");
  expect(ended.output).toEqual({ exitCode: exitCodes.actorLost, reason: "it crashed" });
});

test("device that can not start ends with exit code 1", () => {
  const ended = runDevice({ type: "FATAL", reason: "no socket" }, { type: "STOPPED" });

  expect(ended.output).toEqual({ exitCode: exitCodes.fatal, reason: "no socket" });
});

test("device keeps the first reason", () => {
  const ended = runDevice(
    { type: "FATAL", reason: "first" },
    { type: "SHUTDOWN", reason: "second" },
    { type: "ACTOR_LOST", reason: "third" },
    { type: "STOPPED" },
  );

  expect(ended.output?.reason).toBe("first");
});

test("device that does not stop in time fails", () => {
  const ended = runDevice({ type: "SHUTDOWN", reason: "a signal" }, { type: "STOP_TIMEOUT" });

  expect(ended.output?.exitCode).toBe(exitCodes.stopTimeout);
});

test("actor that may lose its state is restarted", () => {
  expect(runActor(true, "SPAWN", "READY", "CRASH")).toBe("restarting");
  expect(runActor(true, "SPAWN", "READY", "CRASH", "SPAWN", "READY")).toBe("running");
});

test("actor that may not lose its state fails", () => {
  expect(runActor(false, "SPAWN", "READY", "CRASH")).toBe("failed");
  expect(runActor(false, "SPAWN", "CRASH")).toBe("failed");
});

test("actor that keeps crashing is given up", () => {
  const again = ["SPAWN", "CRASH"] as const;
  const crashes = Array.from({ length: RESTARTS_MAX }, () => again).flat();

  expect(runActor(true, ...crashes)).toBe("restarting");
  expect(runActor(true, ...crashes, ...again)).toBe("failed");
  expect(runActor(true, ...crashes, "SPAWN", "READY", "SETTLED", "CRASH")).toBe("restarting");
});

test("actor stops from any state", () => {
  expect(runActor(true, "STOP")).toBe("stopped");
  expect(runActor(true, "SPAWN", "STOP", "READY", "EXITED")).toBe("stopped");
  expect(runActor(true, "SPAWN", "READY", "STOP", "CRASH")).toBe("stopped");
  expect(runActor(true, "SPAWN", "CRASH", "STOP")).toBe("stopped");
});

test("session runs from its first ring to its last", () => {
  const start = ["CONNECTED", "SET_FEATURES", "RING_STARTED", "RING_STARTED"] as const;

  expect(stateName(runSession(...start, "SET_FEATURES"))).toBe("connected.running");
  expect(stateName(runSession(...start, "RINGS_STOPPED"))).toBe("connected.ready");
});

test("session ring before features returns protocol", () => {
  const negotiating = runSession("CONNECTED");

  expect(isAccepted(negotiating, { type: "RING_STARTED" })).toBe(false);
  expect(refusalOf(negotiating, "RING_STARTED")).toBe("PROTOCOL");
});

test("session reset needs features again", () => {
  const reset = runSession("CONNECTED", "SET_FEATURES", "RING_STARTED", "RESET");

  expect(stateName(reset)).toBe("connected.negotiating");
});

test("session listens again when all is released", () => {
  const gone = ["CONNECTED", "SET_FEATURES", "RING_STARTED", "DISCONNECTED"] as const;

  expect(stateName(runSession(...gone))).toBe("closing");
  expect(stateName(runSession(...gone, "RELEASED"))).toBe("listening");
  expect(stateName(runSession(...gone, "RELEASED", "CONNECTED"))).toBe("connected.negotiating");
});

test("session stops in order", () => {
  expect(runSession("STOP").status).toBe("done");
  expect(runSession("CONNECTED", "STOP", "ENDED").status).toBe("done");
  expect(runSession("CONNECTED", "DISCONNECTED", "STOP", "ENDED").status).toBe("done");
});
