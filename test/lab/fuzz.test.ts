// The fuzzer: a little of each target against a real server, and faults that are planted for it to find.

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chanceOfInput } from "../../lab/fuzz/chance.ts";
import { fuzz } from "../../lab/fuzz/campaign.ts";
import { checkFolder, Findings } from "../../lab/fuzz/findings.ts";
import { firstDifference, tryGuest } from "../../lab/fuzz/sane-guest.ts";
import { Session } from "../../lab/fuzz/session.ts";
import { shrinkingLineOf } from "../../lab/fuzz/report.ts";
import { causeOf, fallsIll, shrink, type Shrinking } from "../../lab/fuzz/shrinking.ts";
import { patienceMs, type Place, type Target } from "../../lab/fuzz/target.ts";
import { targets } from "../../lab/fuzz/targets.ts";
import { rings } from "../../lab/fuzz/targets/rings.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { untilSo } from "../device/support.ts";
import { openFds } from "../support/fds.ts";
import { commandOf } from "../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-fuzz-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

const seed = 1;
const inputsOf = (target: Target): number => (target.reachesRenderer === true ? 100 : 300);

for (const target of targets) {
  test(`a server stays well after what ${target.name} sends`, async () => {
    const session = await Session.start(target);
    try {
      expect(await session.run({ seed, from: 0, to: 0 })).toBeNull();
      const illness = await session.run({ seed, from: 0, to: inputsOf(target) });
      if (illness !== null) throw new Error(`${illness.what}\n${session.log()}`);
    } finally {
      expect(await session.end()).toBeNull();
    }
  });
}

test("whoever offers chains that are none starts anew when the process that read them has died", async () => {
  const server = await ServerProcess.start({ args: [...rings.flags(directory), "--isolation", "process"] });
  const attack = await rings.begin({ server, directory });
  // One in 400 is named so, or here each eighth.
  const send = (inputs: number): void => {
    for (let input = 0; input < inputs; input++) {
      const chance = chanceOfInput(seed, input);
      void attack.input((end) => (end === 400 ? input % 8 : chance(end)));
    }
  };
  try {
    send(64);
    process.kill(server.ctrlQueuePid, "SIGSEGV");
    const isBack = (): boolean => server.log().includes(" ctrl-queue: restarted");
    await untilSo("another process", isBack, () => server.log());
    // A successor cannot tell how many of them were none.
    send(64);
  } finally {
    await attack.end();
    expect(await server.stop()).toBe(0);
  }
});

/** A target that does what `input` says, with its number in the batch. */
const planted = (input: (place: Place, chance: number) => void | Promise<void>): Target => ({
  name: "planted",
  about: "a fault that is known",
  batch: 8,
  flags: () => ["--renderer", "software", "--vulkan", "off"],
  begin: (place) => ({ input: (chance) => input(place, chance(1000)), end: () => {} }),
});

async function illnessOf(target: Target): Promise<string> {
  const session = await Session.start(target);
  try {
    expect(await session.run({ seed, from: 0, to: 0 })).toBeNull();
    const batch = { seed, from: 0, to: target.batch };
    const illness = (await session.run(batch)) ?? (await session.run(batch));
    return illness?.what ?? "nothing";
  } finally {
    await session.end();
  }
}

describe("it finds", () => {
  test("a server that was killed", async () => {
    const kills = planted(({ server }) => void process.kill(server.pid, "SIGKILL"));
    expect(await illnessOf(kills)).toBe("the server ended with code 137");
  });

  test("an actor that has crashed, though another one came", async () => {
    const crashes = planted(async ({ server }) => {
      await server.control({ command: "kill", actor: "cursor-queue" });
    });
    expect(await illnessOf(crashes)).toContain("cursor-queue: crashed: ");
  });

  test("descriptors that the server keeps", async () => {
    const open: Socket[] = [];
    const leaks = planted(async ({ server }) => {
      const socket = createConnection(server.controlPath);
      await new Promise((resolve) => socket.once("connect", resolve));
      open.push(socket);
    });
    expect(await illnessOf({ ...leaks, batch: 12 })).toMatch(/^the server holds \d+ descriptors and/);
    for (const socket of open) socket.destroy();
  });

  test("what a target itself sees", async () => {
    const sees = planted(() => {
      throw new Error("no answer");
    });
    expect(await illnessOf(sees)).toBe("Error: no answer");
  });

  test("a pixel that is wrong", () => {
    const expected = Uint32Array.from({ length: 12 }, (_, at) => at * 0x10203);
    expect(firstDifference(expected, expected)).toBe(12);
    expect(firstDifference(expected.with(7, 1), expected)).toBe(7);
    expect(firstDifference(null, expected)).toBe(0);
  });
});

test("a server that does not listen any more is found at once, and costs no descriptor", () => {
  const [before, from] = [openFds(), performance.now()];
  expect(tryGuest(join(directory, "nobody.sock"), 1)).toContain("no guest can start: ");
  expect(openFds()).toBe(before);
  // Not as long as an answer may take.
  expect(performance.now() - from).toBeLessThan(patienceMs / 2);
});

/** Whoever has all the time, and wants to hear nothing. */
const patient = { goesOn: () => true, told: () => {} };

describe("what was found", () => {
  const kills = (harmful: number): Target =>
    planted(({ server }, number) => {
      if (number === harmful) process.kill(server.pid, "SIGKILL");
    });
  const numberOf = (input: number): number => chanceOfInput(seed, input)(1000);

  test("becomes the one input that does it", async () => {
    const range = { seed, from: 0, to: 2 };
    expect(await shrink(range, fallsIll(kills(numberOf(1))), patient)).toEqual({ seed, from: 1, to: 2 });
    expect(await shrink(range, fallsIll(kills(1000)), patient)).toBeNull();
  });

  test("becomes as few as there must be, where one alone does no harm", async () => {
    const holdsBoth = ({ from, to }: { from: number; to: number }): Promise<boolean> =>
      Promise.resolve(from <= 307 && to > 611);
    const smallest = await shrink({ seed, from: 0, to: 1000 }, holdsBoth, patient);
    expect(smallest).toEqual({ seed, from: 307, to: 612 });
  });

  test("is told of as it becomes smaller, with what is left of it, and may be left as it is", async () => {
    const lines: string[] = [];
    const told = (shrinking: Shrinking): void => void lines.push(shrinkingLineOf("planted", shrinking));
    const goesOn = (): boolean => lines.length < 3;
    const holds = ({ to }: { to: number }): Promise<boolean> => Promise.resolve(to > 400);
    expect(await shrink({ seed, from: 0, to: 1000 }, holds, { goesOn, told })).toEqual({
      ...{ seed, from: 0, to: 500 },
    });
    const line = (inputs: number, attempt: number): string =>
      `planted: makes what it found smaller: ${inputs} inputs so far, try ${attempt} of at most 40; Ctrl-C ends that`;
    expect(lines).toEqual([line(1000, 1), line(1000, 2), line(500, 3)]);
  });

  test("is left as it is at once where nobody waits any more, amid a batch", async () => {
    let sent = 0;
    const slow = planted(async () => {
      sent++;
      await Bun.sleep(20);
    });
    const goesOn = (): boolean => sent < 3;
    expect(await fallsIll({ ...slow, batch: 10_000 }, goesOn)({ seed, from: 0, to: 10_000 })).toBe(false);
    expect(sent).toBeLessThan(100);
  });

  test("is kept with the command that repeats it, and counted with its inputs", async () => {
    const told = () => {};
    const save = join(directory, "found");
    const findings = new Findings(save, patient);
    const options = { seed, milliseconds: 60_000, inputsMax: 1, findings, told };
    const tally = await fuzz(kills(numberOf(0)), { ...options, signal: AbortSignal.timeout(60_000) });
    expect(tally).toMatchObject({ inputs: 1, deaths: 0 });
    const repeat = `bun run fuzz --target planted --seed ${seed} --inputs 0-1`;
    expect(tally.found).toMatchObject([
      { what: "the server ended with code 137", isRepeatable: true, repeat },
    ]);
    const [file] = readdirSync(save);
    expect(JSON.parse(readFileSync(join(save, file!), "utf8"))).toMatchObject({ from: 0, to: 1, repeat });
  });
});

test("a death of the renderer is kept with the inputs that do it again, and with a recording that replays", async () => {
  const save = join(directory, "deaths");
  const dies: Target = {
    ...planted(() => {}),
    name: "deadly",
    batch: 1,
    reachesRenderer: true,
    recordable: true,
    flags: () => ["--renderer", "software", "--isolation", "process", "--vulkan", "off"],
    begin: ({ server }) => {
      const guest = SyntheticGuest.boot(server.socketPath, { patienceMs });
      return {
        input: () => {
          guest.gpu.createResource2d(7, Format.B8G8R8X8, 8, 8);
          process.kill(server.ctrlQueuePid, "SIGSEGV");
          guest.gpu.unrefResource(7);
        },
        end: () => guest.close(),
      };
    },
  };
  const options = { seed, milliseconds: 60_000, inputsMax: 1, findings: new Findings(save, patient) };
  const tally = await fuzz(dies, { ...options, told: () => {}, signal: AbortSignal.timeout(60_000) });
  expect(tally).toMatchObject({ inputs: 1, deaths: 1, found: [] });
  const repeat = `bun run fuzz --target deadly --seed ${seed} --inputs 0-1`;
  expect(tally.kept).toMatchObject([{ from: 0, to: 1, repeat }]);
  expect(tally.kept[0]!.cause).toMatch(/^ended by SIGSEGV/);
  const recording = join(save, `deadly-${seed}-0-1.death.rec`);
  const replay = Bun.spawn([...commandOf("replay"), recording], { stdout: "pipe", stderr: "pipe" });
  const text = await new Response(replay.stdout).text();
  expect(text).toMatch(/^played to command 1,.*\n.*the ctrl queue has crashed\n$/);
  expect(await replay.exited).toBe(0);
}, 60_000);

test("deaths of one cause are told apart from others, and not from those of other contexts", () => {
  const said = "14:49:30.464 error   ctrl-queue: crashed: ended by SIGSEGV amid SUBMIT_3D";
  expect(causeOf(`${said} of context 12`)).toBe("ended by SIGSEGV amid SUBMIT_3D");
  expect(causeOf(`${said} of context 3`)).toBe(causeOf(said));
});

describe("its command line", () => {
  const run = async (...args: string[]): Promise<{ code: number; out: string; error: string }> => {
    const main = join(import.meta.dir, "../../lab/fuzz/main.ts");
    const child = Bun.spawn([process.execPath, main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const [out, error] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, out, error };
  };

  test("names all targets", async () => {
    const { code, out } = await run("--list");
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]),
    ).toEqual(targets.map(({ name }) => name));
  });

  test("says what is wrong with it, with code 2", async () => {
    for (const args of [
      ["--target", "moon"],
      ["--minutes", "0"],
      ["--inputs", "3-3"],
      ["--inputs", "1-2"],
    ]) {
      const { code, error } = await run(...args);
      expect(error).toMatch(/^fuzz: --(?:target|minutes|inputs) .*\. See --help\.\n$/);
      expect(code).toBe(2);
    }
  });

  test("tells how many inputs there were, and ends with code 0 where nothing was found", async () => {
    const { code, out } = await run(
      "--target",
      "bridge",
      "--inputs",
      "50",
      "--seed",
      "3",
      "--save",
      directory,
    );
    expect(out).toMatch(/^bridge +50 +1 +\d+ +0 +0$/m);
    expect(out).toEndWith("50 inputs, 0 found, 0 deaths of the renderer\n");
    expect(code).toBe(0);
  });
});

test("a folder in which nothing could be kept is said before anything is sent, and one that could be is not made", () => {
  const save = join(directory, "in", "kept");
  checkFolder(save);
  expect(existsSync(join(directory, "in"))).toBe(false);
  const file = join(directory, "file");
  writeFileSync(file, "");
  expect(() => checkFolder(file)).toThrow("EEXIST");
  const program = join(import.meta.dir, "../../lab/fuzz/main.ts");
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, program, "--save", file]);
  expect([exitCode, `${stdout}`]).toEqual([2, ""]);
  expect(`${stderr}`).toStartWith(`fuzz: --save ${file}: EEXIST`);
});
