// What the session's life counts by itself: rings, and whether there is another front-end.
import { expect, test } from "bun:test";
import { loadTables } from "../../../src/actors/machines/tables.ts";
import { SessionLife } from "../../../src/actors/session/session-life.ts";

function lifeOf(once: boolean): { life: SessionLife; states: string[] } {
  const states: string[] = [];
  const life: SessionLife = new SessionLife(loadTables(), once, () => states.push(life.stateName));
  return { life, states };
}

test("a session runs while any ring does", () => {
  const { life } = lifeOf(false);
  life.connected();
  life.featuresSet();
  life.ringStarted();
  life.ringStarted();
  life.ringStopped();

  expect(life.is("running")).toBe(true);
  life.ringStopped();
  expect(life.stateName).toBe("connected.ready");
});

test("rings of the front-end before are not counted", () => {
  const { life } = lifeOf(false);
  life.connected();
  life.featuresSet();
  life.ringStarted();
  life.disconnected();
  life.released();
  life.connected();
  life.featuresSet();
  life.ringStarted();
  life.ringStopped();

  expect(life.stateName).toBe("connected.ready");
});

test("a session ends after one front-end when asked", () => {
  const { life } = lifeOf(true);
  life.connected();
  life.violated();
  life.released();

  expect(life.is("closed")).toBe(true);
});

test("a session that is stopped ends when all is released", () => {
  const { life, states } = lifeOf(false);
  life.connected();
  life.stop();
  life.disconnected();
  life.released();

  expect(states).toEqual(["connected.negotiating", "closing", "closing", "closed"]);
});
