// Manifests say the truth: who talks to whom, what an actor needs of the host, and where its worker begins.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  entries,
  manifestOf,
  peersOf,
  schemaOf,
  type WorkerName,
  workerNames,
} from "../../src/actors/registry.ts";

const folderOf = (name: WorkerName): string => dirname(fileURLToPath(entries[name]()));

/** The text of every file of an actor's folder, and of the rooms that it shares. */
function textOf(name: WorkerName, ...shared: string[]): string {
  const rooms = [folderOf(name), ...shared.map((room) => join(import.meta.dir, "../../src/actors", room))];
  const files = rooms.flatMap((cwd) => [...new Bun.Glob("**/*.ts").scanSync({ cwd, absolute: true })]);
  return files.map((file) => readFileSync(file, "utf8")).join("\n");
}

const isQueue = (name: WorkerName): boolean => /queue/.test(name);
const sharedBy = (name: WorkerName): string[] => (isQueue(name) ? ["queue"] : []);

for (const name of workerNames) {
  test(`the manifest of ${name} names all to whom it sends, and nobody else`, () => {
    const text = textOf(name, ...sharedBy(name));
    const named = new Set(
      Array.from(text.matchAll(/\b(?:send|ask)\w*\(\s*"([a-z-]+)"/g), ([, to]) => to!).filter(
        (to) => to !== "supervisor",
      ),
    );
    // The session sends to whatever serves the queues of its device.
    if (name === "vhost-session") for (const queue of workerNames.filter(isQueue)) named.add(queue);
    expect([...named].sort()).toEqual([...manifestOf[name].talksTo].sort());
  });

  test(`the manifest of ${name} names the rights that its code needs`, () => {
    const text = textOf(name, ...sharedBy(name));
    const needs = {
      "guest-memory": /\bMemoryMap\(/,
      listen: /\blistenUnix\(/,
      connect: /\bconnectUnix\(/,
      gpu: /\bDrmNode\b|\bUdmabuf\b/,
    };
    const needed = Object.entries(needs).filter(([, pattern]) => pattern.test(text));
    expect(needed.map(([right]) => right).sort()).toEqual([...manifestOf[name].rights].sort());
  });
}

test.each(workerNames)("%s has tests of its own, and stands in the documents", (name) => {
  const read = (path: string): string => readFileSync(join(import.meta.dir, "../..", path), "utf8");
  const folder = basename(folderOf(name));
  const architecture = read("docs/architecture.md");
  const [unharmed = ""] = /^Actors that may be killed without harm[^.]*/m.exec(read("docs/control.md")) ?? [];
  const wanted = {
    [`a test in test/actors/${folder}/`]: [
      ...new Bun.Glob(`${folder}/**/*.test.ts`).scanSync(import.meta.dir),
    ].length,
    "its row among the threads of docs/architecture.md": new RegExp(
      `^\\| ${name} +\\| \`${folder}/\` `,
      "m",
    ).test(architecture),
    "its box in the drawing there": new RegExp(`^    (?:\\w+\\[)?${name}\\]?$`, "m").test(architecture),
    "what follows when it crashes, there": new RegExp(`^\\| [^|]*\`${name}\`[^|]* throws `, "m").test(
      architecture,
    ),
    "whether it may be killed, in docs/control.md":
      unharmed.includes(`\`${name}\``) === (manifestOf[name].survives !== false),
  };
  expect(Object.entries(wanted).flatMap(([what, isThere]) => (isThere ? [] : what))).toEqual([]);
});

test("a line is there for both of its ends", () => {
  for (const name of workerNames) {
    for (const peer of peersOf(name)) expect(peersOf(peer)).toContain(name);
    expect(peersOf(name)).not.toContain(name);
  }
});

test("every actor has a worker, a schema, and counters that are told apart", async () => {
  for (const name of workerNames) {
    expect(existsSync(entries[name]())).toBe(true);
    const { counters } = manifestOf[name];
    expect(new Set(counters).size).toBe(counters.length);
    expect(() => schemaOf(name)).not.toThrow();
    expect((await schemaOf(name)).safeParse({ type: "no such message" }).success).toBe(false);
  }
});
