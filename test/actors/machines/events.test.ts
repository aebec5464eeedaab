// Nothing in a machine is there for nobody: every event is taken somewhere in src, or named here with what it waits for;
// and states have one writer.
import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { CursorQueue } from "../../../src/actors/cursor/cursor-queue.ts";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import { eventsOf } from "../../../src/actors/machines/compile.ts";
import { compileAll, type LifecycleTables, machines } from "../../../src/actors/machines/index.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { fdsOf } from "../../support/session-bench.ts";

/** Events of commands that this device does not offer yet. */
const later: Readonly<Record<string, readonly string[]>> = {};

/** Notes which events are looked up, as who takes them does at start. */
class Watched extends Array<string> {
  readonly looked = new Set<string>();

  override indexOf(name: string): number {
    this.looked.add(name);
    return super.indexOf(name);
  }

  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

const tables = compileAll();
const watched = new Map<string, Watched>();
for (const [name, table] of Object.entries(tables)) {
  const events = Watched.from(table.events) as Watched;
  watched.set(name, events);
  Object.assign(table, { events });
}

class WatchedContext extends FakeContext {
  override readonly machines: LifecycleTables = tables;
}

/** Events of a machine that nobody takes. */
function untaken(name: keyof typeof machines, taken: (event: string) => boolean): string[] {
  const waiting = later[name] ?? [];
  return eventsOf(machines[name]).filter((event) => !taken(event) && !waiting.includes(event));
}

describe("per-command machines", () => {
  test("have every event looked up by the queues", () => {
    const config = serverConfig("--renderer", "software");
    const contexts = [
      new WatchedContext("ctrl-queue", config),
      new WatchedContext("cursor-queue", config),
    ] as const;
    const actors = [new CtrlQueue(contexts[0]), new CursorQueue(contexts[1])];
    try {
      for (const name of ["resource", "attachment", "context", "scanout", "fence"] as const) {
        const { looked } = watched.get(name)!;
        const nobodys = untaken(name, (event) => looked.has(event));
        expect(nobodys, `events of ${name} that nobody takes: look them up, or name them in later`).toEqual(
          [],
        );
        const come = (later[name] ?? []).filter((event) => looked.has(event));
        expect(come, `events of ${name} that are taken now: take them off later`).toEqual([]);
      }
    } finally {
      for (const actor of actors) actor.stop();
      for (const context of contexts) {
        for (const { message } of context.sent) for (const fd of fdsOf(message)) closeFd(fd);
        context.close();
      }
    }
  });
});

describe("machines of one actor", () => {
  const rooms = {
    vring: "session",
    session: "session",
    device: "supervisor",
    actor: "supervisor",
    surface: "display",
  };

  for (const [name, room] of Object.entries(rooms) as [keyof typeof rooms, string][]) {
    test(`${name}: every event is sent in ${room}/`, async () => {
      const files = [...new Glob(`src/actors/${room}/**/*.ts`).scanSync()];
      const text = (await Promise.all(files.map((path) => Bun.file(path).text()))).join("\n");
      const nobodys = untaken(name, (event) => text.includes(`"${event}"`));
      expect(nobodys, `events of ${name} that nobody sends in ${room}/`).toEqual([]);
    });
  }
});

test("a state is written in lifecycle.ts alone", async () => {
  const writers: string[] = [];
  for (const path of new Glob("src/actors/{gpu,cursor,queue,session,machines}/**/*.ts").scanSync()) {
    const text = await Bun.file(path).text();
    if (/\.state\s*=[^=]/.test(text)) writers.push(path);
  }
  expect(writers).toEqual(["src/actors/machines/lifecycle.ts"]);
});

test("what runs for each command or frame asks tables, and never loads xstate", async () => {
  const loads: string[] = [];
  for (const path of new Glob("src/actors/{gpu,cursor,queue,display}/**/*.ts").scanSync()) {
    const text = await Bun.file(path).text();
    const imports = text.match(/^import (?!type ).* from ".*"/gm) ?? [];
    if (imports.some((line) => /"xstate"|machines\/(?!lifecycle|table\.|restarts)/.test(line)))
      loads.push(path);
  }
  expect(loads).toEqual([]);
});
