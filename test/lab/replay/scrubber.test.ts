// A replay that a person steers from a browser: what its door answers, and whom it lets in.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readReplayRequest } from "../../../lab/replay/scrubber/requests.ts";
import { openRecording } from "../../../src/transport/wire/record/reader.ts";
import type {
  RecordedCommand,
  RecordedPixel,
  ReplayFacts,
  ReplayMarks,
} from "../../../src/transport/wire/replay/messages.ts";
import type { CommandRecord } from "../../../src/actors/inspector/feed.ts";
import { chanceOf } from "../../../lab/fuzz/chance.ts";
import { drawOldCorner, record } from "../../support/recorded.ts";
import { ReplayRun } from "../../support/replay-run.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-scrubber-"));
const file = join(directory, "corner.rec");
let run: ReplayRun;
let keyframes: { commandsBefore: number; framesBefore: number; firstTime: number }[];

beforeAll(async () => {
  await record(file, ["--renderer", "software"], (guest, keyframes) =>
    drawOldCorner(guest, keyframes, chanceOf(1), 60),
  );
  const recording = openRecording(file);
  keyframes = recording.chunks.filter(({ isKeyframe, commandsBefore }) => isKeyframe && commandsBefore > 0);
  recording.close();
  run = await ReplayRun.start(file);
});
afterAll(async () => {
  expect(await run.stop()).toBe(0);
  rmSync(directory, { recursive: true });
});

test("says what it plays, where it is, and what its scale has", async () => {
  const { file: name, state, ending } = await run.json<ReplayFacts>("/api/replay");
  expect([name, ending]).toEqual(["corner.rec", expect.stringMatching(/./)]);
  expect(state.frames).toBe(state.framesTotal);
  expect(state.commands).toBe(state.commandsTotal);
  expect(state.framesTotal).toBe(63);
  const marks = await run.json<ReplayMarks>("/api/replay/marks");
  expect([marks.isWhole, marks.keyframes.length > 2, marks.errors]).toEqual([true, true, []]);
  expect(marks.frames.length).toBeGreaterThan(10);
  expect(marks.frames.at(-1)!).toBeLessThanOrEqual(state.duration);
});

test("goes to a frame, a command, a moment, on and back", async () => {
  const there = await run.go({ type: "seek", frame: 40 }, ({ frames }) => frames === 41);
  expect(there.sinceNs).toBeGreaterThan(0);
  // On from there nothing is begun anew; back it is.
  const next = await run.go({ type: "step", frames: 1 }, ({ frames }) => frames === 42);
  expect(next.sinceNs).toBe(there.sinceNs);
  const before = await run.go({ type: "step", frames: -1 }, ({ frames }) => frames === 41);
  expect(before.sinceNs).toBeGreaterThan(there.sinceNs);
  await run.go({ type: "step", commands: 1 }, ({ commands }) => commands === before.commands + 1);
  await run.go({ type: "seek", command: 9 }, ({ commands }) => commands === 10);
  // Of a moment what was shown by then, and nothing half drawn.
  const { firstTime, framesBefore } = keyframes[1]!;
  const shown = await run.go({ type: "seek", time: firstTime }, ({ frames }) => frames === framesBefore);
  const isFrame = await run.go(
    { type: "seek", frame: framesBefore - 1 },
    ({ frames }) => frames === framesBefore,
  );
  expect(shown.commands).toBe(isFrame.commands);
  await run.go({ type: "seek", time: 0 }, ({ commands }) => commands === 0);
  // Behind the end is the end.
  await run.go({ type: "seek", frame: 1e9 }, ({ frames, framesTotal }) => frames === framesTotal);
});

test("plays on from where it is, and from the start again once it has ended", async () => {
  await run.go({ type: "seek", frame: 30 }, ({ frames }) => frames === 31);
  run.say('{"type":"speed","speed":4}');
  await run.go({ type: "play" }, ({ commands, commandsTotal }) => commands === commandsTotal);
  run.say('{"type":"speed","speed":null}');
  const { sinceNs } = run.state!;
  const isAgain = ({
    commands,
    commandsTotal,
    sinceNs: now,
  }: {
    commands: number;
    commandsTotal: number;
    sinceNs: number;
  }) => commands === commandsTotal && now > sinceNs;
  expect((await run.go({ type: "play" }, isAgain)).speed).toBeNull();
});

test("of many that are asked for at once the last is done", async () => {
  const { framesTotal } = run.state!;
  for (let count = 0; count < 200; count++) {
    run.say(JSON.stringify({ type: "seek", frame: (count * 37) % framesTotal }));
  }
  await run.go({ type: "seek", frame: 17 }, ({ frames }) => frames === 18);
  // Of steps each counts, also while it is on its way.
  for (let count = 0; count < 9; count++) run.say('{"type":"step","frames":1}');
  await run.go({ type: "step", frames: 1 }, ({ frames }) => frames === 28);
});

test("knows which command made a pixel that was made before the keyframe it began with", async () => {
  const { framesBefore } = keyframes.at(-2)!;
  await run.go({ type: "seek", frame: framesBefore + 1 }, ({ frames }) => frames === framesBefore + 2);
  const pixel = await run.json<RecordedPixel>("/api/replay/pixel?scanout=0&x=5&y=6");
  expect(pixel).toMatchObject({ resource: 1, x: 5, y: 6 });
  expect(pixel.writer).toMatchObject({
    type: "TRANSFER_TO_HOST_2D",
    fields: { x: 3, y: 5, width: 20, height: 10 },
  });
  expect(pixel.flush!.number).toBe(pixel.writer!.number + 1);
  // The server has forgotten it, if it ever knew.
  const known = await run.json<CommandRecord[]>(
    "/api/commands?filter=res:1+at:5,6+type:transfer_to_host&limit=9",
  );
  expect(known.filter(({ takenNs }) => takenNs >= run.state!.sinceNs)).toEqual([]);
  // Where it leads, it is the last command.
  const { number } = pixel.writer!;
  await run.go({ type: "seek", command: number }, ({ commands }) => commands === number + 1);
  expect((await run.json<RecordedPixel>("/api/replay/pixel?res=1&x=5&y=6")).writer!.number).toBe(number);
  await run.go({ type: "seek", command: number - 1 }, ({ commands }) => commands === number);
  const before = await run.json<RecordedPixel>("/api/replay/pixel?res=1&x=5&y=6");
  expect(before.writer!.fields).toMatchObject({ x: 0, y: 0, width: 160, height: 120 });
});

test("tells the recording's number of the server's commands", async () => {
  const { commandsBefore } = keyframes.at(-2)!;
  const { sinceNs } = await run.go(
    { type: "seek", command: commandsBefore + 3 },
    ({ commands }) => commands === commandsBefore + 4,
  );
  let all: CommandRecord[] = [];
  let own: CommandRecord[] = [];
  // The inspector hears of what was done a moment later.
  for (let attempt = 0; attempt < 100 && own.length < 4; attempt++) {
    all = await run.json<CommandRecord[]>("/api/commands?filter=queue:ctrl&limit=100");
    own = all.filter(({ takenNs }) => takenNs >= sinceNs);
    await Bun.sleep(10);
  }
  const numbers: number[] = [];
  for (const { id, type } of own) {
    const command = await run.json<RecordedCommand>(`/api/replay/command?id=${id}`);
    expect(command.type).toBe(type);
    numbers.push(command.number);
  }
  // On a busy machine the inspector is told of some alone.
  const played = [0, 1, 2, 3].map((more) => commandsBefore + more);
  expect(numbers).toEqual(played.filter((number) => numbers.includes(number)));
  expect(numbers.length).toBeGreaterThan(0);
  const restored = all.findLast(({ takenNs }) => takenNs < sinceNs)!;
  expect(await run.json<null>(`/api/replay/command?id=${restored.id}`)).toBeNull();
});

test("passes on the page of the server, with what keeps it to itself, and its feed", async () => {
  const page = await run.get("/");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await page.text()).toContain("Fencepost");
  expect((await run.get("/nowhere")).status).toBe(404);
  const feed = new WebSocket(`ws://${run.url.host}/feed`, { headers: run.bearer });
  feed.binaryType = "arraybuffer";
  const first = new Promise((resolve) => (feed.onmessage = resolve));
  feed.onopen = () => feed.send('{"type":"subscribe","topic":"actors"}');
  await first;
  feed.close();
});

test("a break holds a replay up, and is let go by the page that has set it", async () => {
  await run.go({ type: "seek", frame: 1 }, ({ frames }) => frames === 2);
  const feed = new WebSocket(`ws://${run.url.host}/feed`, { headers: run.bearer });
  await new Promise((resolve) => (feed.onopen = resolve));
  feed.send('{"type":"break","filter":"type:resource_flush"}');
  const state = async (): Promise<string> => (await run.json<{ state: string }>("/api/break")).state;
  for (let attempt = 0; attempt < 500 && (await state()) !== "armed"; attempt++) await Bun.sleep(10);
  run.say('{"type":"seek","frame":40}');
  for (let attempt = 0; attempt < 500 && (await state()) !== "paused"; attempt++) await Bun.sleep(10);
  expect(await state()).toBe("paused");
  await run.until(() => run.state!.activity === "seeking");
  // Another takes its place, and waits likewise; what is asked is answered meanwhile.
  run.say('{"type":"seek","frame":20}');
  await Bun.sleep(0);
  expect((await run.json<ReplayFacts>("/api/replay")).state.activity).toBe("seeking");
  feed.send('{"type":"clear"}');
  await run.until(() => run.state!.activity === "paused" && run.state!.frames === 21);
  feed.close();
});

test("lets in nobody without the token, from another site, or by another name", async () => {
  const codes = await Promise.all(
    ["/", "/api/replay", "/feed", "/replay", "/api/commands"].map(
      async (path) => (await run.get(path, {})).status,
    ),
  );
  expect(new Set(codes)).toEqual(new Set([401]));
  expect((await run.get("/api/replay", { ...run.bearer, origin: "http://evil.example" })).status).toBe(403);
  expect((await run.get("/api/replay", { ...run.bearer, host: "evil.example" })).status).toBe(421);
  const posted = await fetch(new URL("/api/replay", run.url), { method: "POST", headers: run.bearer });
  expect(posted.status).toBe(405);
});

test.each(["//", "/\\"])(
  "asks nobody but the server, whatever host a path that begins with %s has",
  async (slashes) => {
    const asked: string[] = [];
    const other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url }) => {
        asked.push(url);
        return new Response("not the server's");
      },
    });
    try {
      const { hostname, port } = run.url;
      // fetch would clean the path.
      const path = `${slashes}127.0.0.1:${other.port}/`;
      const [response] = (await once(
        request({ hostname, port, path, headers: run.bearer }).end(),
        "response",
      )) as [IncomingMessage];
      expect([response.statusCode, asked]).toEqual([404, []]);
      response.resume();
    } finally {
      await other.stop(true);
    }
  },
);

test("answers what makes no sense with one line, and goes on", async () => {
  const paths = [
    "/api/replay/pixel",
    "/api/replay/pixel?scanout=0&x=-1&y=2",
    "/api/replay/pixel?scanout=0&x=1e9&y=2",
    "/api/replay/pixel?res=99999999999999999999&x=1&y=2",
    "/api/replay/command?id=ctrl-queue:",
    "/api/replay/command?id=__proto__:1",
  ];
  for (const path of paths) {
    const response = await run.get(path);
    expect([path, response.status]).toEqual([path, 400]);
    expect(((await response.json()) as { error: string }).error).toMatch(/^[^\n]{1,200}$/);
  }
  expect((await run.get("/api/replay/nothing")).status).toBe(404);
  expect(await run.json<null>("/api/replay/pixel?scanout=15&x=1&y=2")).toBeNull();
  const chance = chanceOf(11);
  const words = [
    "{",
    "}",
    "[",
    '"type"',
    ":",
    ",",
    '"seek"',
    '"step"',
    '"frame"',
    "-1",
    "1e308",
    "null",
    '"speed"',
    "0",
  ];
  for (let count = 0; count < 500; count++) {
    run.say(Array.from({ length: chance(12) }, () => words[chance(words.length)]!).join(""));
  }
  run.say(JSON.stringify({ type: "seek", frame: 1, filler: "x".repeat(8000) }));
  await run.until(() => run.state!.error !== "");
  expect(run.state!.error).toMatch(/^[^\n]{1,200}$/);
  expect((await run.go({ type: "seek", frame: 3 }, ({ frames }) => frames === 4)).error).toBe("");
});

test.each([
  ['{"type":"seek"}', "want a command, a frame or a time"],
  ['{"type":"seek","frame":-1}', "want a command, a frame or a time"],
  ['{"type":"seek","command":1.5}', "want a command, a frame or a time"],
  ['{"type":"step","frames":1e12}', "want how many"],
  ['{"type":"speed","speed":0}', "want a speed"],
  ['{"type":"speed","speed":"4"}', "want a speed"],
  ["null", "want type"],
  ["[]", "want type"],
  ["seek", "want JSON"],
  [" ".repeat(2000), "too long"],
])("refuses %p", (text, sentence) => {
  expect(() => readReplayRequest(text)).toThrow(sentence);
});
