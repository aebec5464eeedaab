// A replay is a guest like others: what it does can be recorded, and played again.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownLayout, recordedLayout } from "../../../lab/replay/guest-layout.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { Tape } from "../../support/tape.ts";
import { TapedScreen } from "../../support/taped-screen.ts";
import { commandOf } from "../../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-replayed-"));
afterAll(() => rmSync(directory, { recursive: true }));

function replay(...args: string[]): { code: number; out: string; error: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...commandOf("replay"), ...args]);
  return { code: exitCode, out: stdout.toString(), error: stderr.toString() };
}

/** Records what a server is shown by a replay of `file`. */
async function recordReplayOf(file: string, path: string): Promise<void> {
  const server = await ServerProcess.start({ args: ["--renderer", "software", "--record", path] });
  try {
    expect(replay(file, "--socket-path", server.socketPath)).toMatchObject({ code: 0, error: "" });
  } finally {
    expect(await server.stop()).toBe(0);
  }
}

test("a recording of a replay is replayed as what was recorded at first, and so is one of that", async () => {
  const [first, second, third] = ["first", "second", "third"].map((name) => join(directory, name));
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  screen.draw({ x: 0, y: 0, width: 100, height: 80 }, 0x11_22_33);
  screen.draw({ x: 7, y: 9, width: 31, height: 22 }, 0x44_55_66);
  writeFileSync(first!, tape.end());
  await recordReplayOf(first!, second!);
  await recordReplayOf(second!, third!);
  for (const file of [second!, third!]) {
    const { code, out, error } = replay(file, "--compare");
    expect(error).toBe("");
    expect(out).toContain("2 pictures as recorded; nothing differs");
    expect(code).toBe(0);
  }
}, 120_000);

test("a replay's own memory lies beside the recorded one, which may end where no guest's does", () => {
  const usual = ownLayout(recordedLayout([{ address: 0, length: 2 ** 31 }]));
  const { guestAddress, size } = usual;
  const beside = ownLayout(recordedLayout([{ address: guestAddress, length: size }]));
  expect(beside.guestAddress).toBe(guestAddress + size);
  expect(() => recordedLayout([{ address: 2 ** 47, length: 4096 }])).toThrow("memory that none can have");
});

test("says in one line that the recorded guest has memory where that of the replay is already", () => {
  const file = join(directory, "moved");
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw({ x: 0, y: 0, width: 100, height: 80 }, 0x11_22_33);
  tape.memory([{ address: 2 ** 46, length: 64 * 1024 * 1024 }]);
  new TapedScreen(tape, 2, 100, 80).draw({ x: 0, y: 0, width: 100, height: 80 }, 0x44_55_66);
  writeFileSync(file, tape.end());
  const { code, error } = replay(file);
  expect(error.split("\n")[0]).toBe(
    "replay: the recorded guest has memory now where that of the replay lies: trim the recording to what follows",
  );
  expect(code).toBe(1);
}, 60_000);

test("says in one line that there is no such revision", () => {
  const file = join(directory, "any");
  writeFileSync(file, new Tape().end());
  const { code, error } = replay(file, "--server", "@nowhere", "--compare");
  expect(error).toBe("replay: @nowhere: there is no such revision here, and no checkout at that path\n");
  expect(code).toBe(1);
}, 60_000);
