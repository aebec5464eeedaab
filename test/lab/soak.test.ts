// The soak: a short one of everything against a real server, and faults that are planted for it to find.

import { describe, expect, test } from "bun:test";
import { createConnection, type Socket } from "node:net";
import { Obituary } from "../../lab/soak/obituary.ts";
import type { Phase } from "../../lab/soak/phase.ts";
import { phases } from "../../lab/soak/phases.ts";
import { mistakes } from "../../lab/soak/phases/mistakes.ts";
import { animation } from "../../lab/soak/phases/pictures.ts";
import { growth, type Holdings, settledOf } from "../../lab/soak/holdings.ts";
import { parseSoakOptions } from "../../lab/soak/options.ts";
import { headings, lineOf } from "../../lab/soak/report.ts";
import { type Look, soak } from "../../lab/soak/soak.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const quick = { seed: 1, renderer: "software", flags: [], minutes: 0.05 };

async function run(
  chosen: readonly Phase[],
  options: Partial<Parameters<typeof soak>[0]> = {},
): Promise<{ wrong: string | null; looks: Look[] }> {
  const looks: Look[] = [];
  const { signal } = new AbortController();
  const told = (look: Look): unknown => looks.push(look);
  const wrong = await soak({ ...quick, phases: chosen, signal, told, ...options });
  return { wrong, looks };
}

/** A phase that does what nobody should. */
const planted = (act: Phase["run"]): Phase => ({ name: "planted", run: act });

test("each phase leaves a server as it must be", async () => {
  // One after the other, whatever time that takes.
  const stopping = new AbortController();
  let left = phases.length;
  const counted = phases.map((phase) => ({
    ...phase,
    run: async (...args: Parameters<Phase["run"]>) => {
      await phase.run(...args);
      if (--left === 0) stopping.abort();
    },
  }));
  const { wrong, looks } = await run(counted, {
    renderer: "virgl",
    flags: ["--inspect"],
    minutes: 60,
    signal: stopping.signal,
  });
  expect(wrong).toBeNull();
  const last = looks.at(-1)!;
  expect(left).toBeLessThanOrEqual(0);
  expect(last.deaths).toBeGreaterThanOrEqual(5);
  expect(last.frames).toBeGreaterThan(50);
  expect(last.slowestMs).toBeGreaterThan(0);
}, 60_000);

test("a server without 3D has its own answers to mistakes", async () => {
  const { wrong } = await run([mistakes], { minutes: 0.05 });
  expect(wrong).toBeNull();
});

test("a look is a line under its headings", async () => {
  const { wrong, looks } = await run([animation]);
  expect(wrong).toBeNull();
  expect(lineOf(looks[0]!)).toHaveLength(headings.length);
  expect(lineOf(looks[0]!)).toEndWith("+0 +0 +0 +0 +0");
});

describe("it finds", () => {
  test("a pixel that is another", async () => {
    const wrongPixel = planted((stage) => {
      const { screen } = stage;
      const expected = screen.pixels.slice();
      expected[700] = expected[700]! ^ 1;
      stage.expectShown(expected, screen.width, "the screen", 200);
    });
    const { wrong } = await run([wrongPixel]);
    expect(wrong).toMatch(
      /\nround 0 of seed 1, planted: the screen: pixel 188,1 is [0-9a-f]{6} and not [0-9a-f]{6}$/,
    );
  });

  test("an answer that the model does not have", async () => {
    const { wrong } = await run([
      planted((stage) => stage.ok(stage.guest.gpu.unrefResource(77), "a command")),
    ]);
    expect(wrong).toContain("a command was answered ERR_INVALID_RESOURCE_ID in 24 bytes, and not OK_NODATA");
  });

  test("a server that has ended", async () => {
    const { wrong } = await run([
      planted(async (stage) => {
        process.kill(stage.server.pid, "SIGKILL");
        await stage.server.exited;
        await stage.until("another one comes", () => false);
      }),
    ]);
    expect(wrong).toContain("the server ended with code 137");
  });

  test("descriptors that it keeps", async () => {
    const open: Socket[] = [];
    const leaks = planted(async ({ server }) => {
      const socket = createConnection(server.controlPath);
      await new Promise((resolve) => socket.once("connect", resolve));
      open.push(socket);
      await Bun.sleep(50);
    });
    const { wrong } = await run([leaks]);
    for (const socket of open) socket.destroy();
    expect(wrong).toMatch(/\nthe server holds more than before: \d+ descriptors, where \d+ were[^\n]*$/);
  });
});

test("growth is told of what is more than its slack, and of nothing else", () => {
  const before: Holdings = { serverMib: 100, childMib: 100, fds: 100, mappings: 500, shared: 40 };
  expect(growth(before, before)).toBe("");
  expect(growth(before, { ...before, serverMib: 100 + 60, fds: 106, shared: 20 })).toBe("");
  expect(growth(before, { ...before, fds: 107, mappings: 1000 })).toBe(
    "107 descriptors, where 100 were; 1000 mappings, where 500 were",
  );
});

test("a heap that was collected of late has not grown, and one that stays has", () => {
  const before: Holdings = { serverMib: 100, childMib: 100, fds: 100, mappings: 500, shared: 40 };
  const peak = { ...before, serverMib: 200, childMib: 300, fds: 90 };
  expect(settledOf([before, peak], peak)).toEqual({ ...before, fds: 90 });
  expect(growth(before, settledOf([peak, peak, peak, peak], peak))).toStartWith(
    "200 MiB of the server's memory",
  );
});

test("deaths are forgiven as the supervisor does, and timed by the log", () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-soak-test-"));
  const path = join(directory, "log");
  const die = (at: string, back: string): string =>
    `23:59:${at} error   ctrl-queue: crashed: ended by SIGKILL\n${back} warning ctrl-queue: restarted\n`;
  writeFileSync(path, die("59.900", "00:00:00.150") + die("10.000", "23:59:10.100"));
  const obituary = new Obituary(path);
  expect(obituary.mayDie("ctrl-queue")).toBe(true);
  expect({ deaths: obituary.deaths, slowestMs: obituary.slowestMs }).toEqual({ deaths: 2, slowestMs: 250 });
  writeFileSync(path, die("11.000", "23:59:11.100"), { flag: "a" });
  expect(obituary.mayDie("ctrl-queue")).toBe(false);
  expect(obituary.mayDie("display")).toBe(true);
  writeFileSync(path, "23:59:12.000 error   display: crashed: a bug\n", { flag: "a" });
  expect(obituary.missing).toEqual(["display"]);
  obituary.close();
  rmSync(directory, { recursive: true });
});

test("the command line", () => {
  expect(parseSoakOptions(["--minutes", "5", "--seed", "3", "--inspect"])).toEqual({
    minutes: 5,
    seed: 3,
    renderer: "virgl",
    inspect: true,
    help: false,
  });
  expect(() => parseSoakOptions(["--minutes", "0"])).toThrow("--minutes 0: want a number above 0");
  expect(() => parseSoakOptions(["--seed", "x"])).toThrow("--seed x: want a whole number");
  expect(() => parseSoakOptions(["--renderer", "gl"])).toThrow("--renderer gl: there are virgl and software");
});
