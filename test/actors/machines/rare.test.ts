// The machines that run as xstate actors: device, worker actor, session and surface.
import { expect, test } from "bun:test";
import { createActor } from "xstate";
import { actorMachine, RESTARTS_MAX } from "../../../src/actors/machines/actor.ts";
import { stateName } from "../../../src/actors/machines/compile.ts";
import { type DeviceEvent, deviceMachine, exitCodes } from "../../../src/actors/machines/device.ts";
import { isAccepted, refusalOf } from "../../../src/actors/machines/refusal.ts";
import { type SessionEvent, sessionMachine } from "../../../src/actors/machines/session.ts";
import { type SurfaceEvent, surfaceMachine } from "../../../src/actors/machines/surface.ts";

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

function runSession(once: boolean, ...events: SessionEvent["type"][]) {
  const session = createActor(sessionMachine, { input: { once } }).start();
  for (const type of events) session.send({ type });
  return session.getSnapshot();
}

function runSurface(...events: SurfaceEvent["type"][]) {
  const surface = createActor(surfaceMachine).start();
  for (const type of events) surface.send({ type });
  return stateName(surface.getSnapshot());
}

test("device_follows_its_session", () => {
  const up = [{ type: "READY" }, { type: "SESSION_UP" }, { type: "DRIVER_OK" }] as const;

  expect(runDevice(...up).value).toBe("running");
  expect(runDevice(...up, { type: "ACTOR_RESTARTED", actor: "display" }).value).toBe("running");
  expect(runDevice(...up, { type: "DRIVER_STOPPED" }).value).toBe("connected");
  expect(runDevice(...up, { type: "SESSION_DOWN" }).value).toBe("listening");
});

test("device_asked_to_stop_ends_with_exit_code_0", () => {
  const ended = runDevice(
    { type: "READY" },
    { type: "SHUTDOWN", reason: "the window was closed" },
    { type: "STOPPED" },
  );

  expect(ended.value).toBe("stopped");
  expect(ended.output).toEqual({ exitCode: exitCodes.ok, reason: "the window was closed" });
});

test("device_whose_only_front_end_leaves_ends_with_exit_code_0", () => {
  const ended = runDevice(
    { type: "READY" },
    { type: "SESSION_UP" },
    { type: "SESSION_CLOSED" },
    { type: "STOPPED" },
  );

  expect(ended.output).toEqual({ exitCode: exitCodes.ok, reason: "the front-end has gone" });
});

test("device_that_loses_an_actor_stops_in_order_and_its_exit_code_says_so", () => {
  const stopping = runDevice({ type: "READY" }, { type: "ACTOR_LOST", actor: "ctrl-queue" });
  const ended = runDevice(
    { type: "READY" },
    { type: "ACTOR_LOST", actor: "ctrl-queue" },
    { type: "STOPPED" },
  );

  expect(stopping.value).toBe("stopping");
  expect(ended.value).toBe("failed");
  expect(ended.output).toEqual({ exitCode: exitCodes.actorLost, reason: "the ctrl-queue actor crashed" });
});

test("device_that_can_not_start_ends_with_exit_code_1", () => {
  const ended = runDevice({ type: "FATAL", reason: "no socket" }, { type: "STOPPED" });

  expect(ended.output).toEqual({ exitCode: exitCodes.fatal, reason: "no socket" });
});

test("device_keeps_the_first_reason", () => {
  const ended = runDevice(
    { type: "FATAL", reason: "first" },
    { type: "SHUTDOWN", reason: "second" },
    { type: "ACTOR_LOST", actor: "display" },
    { type: "STOPPED" },
  );

  expect(ended.output?.reason).toBe("first");
});

test("device_that_does_not_stop_in_time_fails", () => {
  const ended = runDevice({ type: "SHUTDOWN", reason: "a signal" }, { type: "STOP_TIMEOUT" });

  expect(ended.output?.exitCode).toBe(exitCodes.stopTimeout);
});

test("actor_that_may_lose_its_state_is_restarted", () => {
  expect(runActor(true, "SPAWN", "READY", "CRASH")).toBe("restarting");
  expect(runActor(true, "SPAWN", "READY", "CRASH", "SPAWN", "READY")).toBe("running");
});

test("actor_that_may_not_lose_its_state_fails", () => {
  expect(runActor(false, "SPAWN", "READY", "CRASH")).toBe("failed");
  expect(runActor(false, "SPAWN", "CRASH")).toBe("failed");
});

test("actor_that_keeps_crashing_is_given_up", () => {
  const again = ["SPAWN", "CRASH"] as const;
  const crashes = Array.from({ length: RESTARTS_MAX }, () => again).flat();

  expect(runActor(true, ...crashes)).toBe("restarting");
  expect(runActor(true, ...crashes, ...again)).toBe("failed");
  expect(runActor(true, ...crashes, "SPAWN", "READY", "SETTLED", "CRASH")).toBe("restarting");
});

test("actor_stops_from_any_state", () => {
  expect(runActor(true, "STOP")).toBe("stopped");
  expect(runActor(true, "SPAWN", "STOP", "READY", "EXITED")).toBe("stopped");
  expect(runActor(true, "SPAWN", "READY", "STOP", "CRASH")).toBe("stopped");
  expect(runActor(true, "SPAWN", "CRASH", "STOP")).toBe("stopped");
});

test("session_runs_while_any_ring_does", () => {
  const start = ["CONNECTED", "SET_FEATURES", "RING_STARTED", "RING_STARTED"] as const;

  expect(stateName(runSession(false, ...start, "SET_FEATURES"))).toBe("connected.running");
  expect(stateName(runSession(false, ...start, "RING_STOPPED"))).toBe("connected.running");
  expect(stateName(runSession(false, ...start, "RING_STOPPED", "RING_STOPPED"))).toBe("connected.ready");
});

test("session_ring_before_features_returns_protocol", () => {
  const negotiating = runSession(false, "CONNECTED");

  expect(isAccepted(negotiating, { type: "RING_STARTED" })).toBe(false);
  expect(refusalOf(negotiating, "RING_STARTED")).toBe("PROTOCOL");
});

test("session_reset_needs_features_again", () => {
  const reset = runSession(false, "CONNECTED", "SET_FEATURES", "RING_STARTED", "RESET");

  expect(stateName(reset)).toBe("connected.negotiating");
  expect(reset.context.rings).toBe(0);
});

test("session_listens_again_when_all_is_released", () => {
  const gone = ["CONNECTED", "SET_FEATURES", "RING_STARTED", "DISCONNECTED"] as const;

  expect(stateName(runSession(false, ...gone))).toBe("closing");
  expect(stateName(runSession(false, ...gone, "RELEASED"))).toBe("listening");
  expect(stateName(runSession(false, ...gone, "RELEASED", "CONNECTED"))).toBe("connected.negotiating");
});

test("session_ends_after_one_front_end_when_asked", () => {
  expect(runSession(true, "CONNECTED", "VIOLATION", "RELEASED").status).toBe("done");
});

test("session_stops_in_order", () => {
  expect(runSession(false, "STOP").status).toBe("done");
  expect(runSession(false, "CONNECTED", "STOP", "RELEASED").status).toBe("done");
  expect(runSession(false, "CONNECTED", "DISCONNECTED", "STOP", "RELEASED").status).toBe("done");
});

test("surface_is_stale_until_all_sinks_have_shown_it", () => {
  expect(runSurface("DAMAGE", "MAPPED")).toBe("mapped.stale");
  expect(runSurface("MAPPED", "PRESENTED")).toBe("mapped.presented");
  expect(runSurface("MAPPED", "PRESENTED", "DAMAGE")).toBe("mapped.stale");
});

test("surface_lease_ends_after_the_last_reader", () => {
  expect(runSurface("MAPPED", "READ", "READ", "DROP", "READ_DONE")).toBe("dropped");
  expect(runSurface("MAPPED", "READ", "READ", "DROP", "READ_DONE", "READ_DONE")).toBe("released");
  expect(runSurface("MAPPED", "DROP")).toBe("released");
});

test("surface_that_can_not_be_mapped_is_released_when_dropped", () => {
  expect(runSurface("MAP_FAILED", "DAMAGE")).toBe("unusable");
  expect(runSurface("MAP_FAILED", "DROP")).toBe("released");
});
