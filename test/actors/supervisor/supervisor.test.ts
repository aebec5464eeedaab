// The supervisor with its real workers: start, watch, replace, and end in order with the right exit code.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entries, manifestOf, type WorkerName, workersFor } from "../../../src/actors/registry.ts";
import { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import { Supervisor } from "../../../src/actors/supervisor/supervisor.ts";
import type { ServerConfig } from "../../../src/config.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { openRecording } from "../../../src/transport/wire/record/reader.ts";
import { connectUnix, listenUnix } from "../../../src/transport/os/unix-path.ts";
import { serverConfig } from "../../support/fake-context.ts";
import { mayLeave } from "../../support/leaks.ts";

// Of actors that crash or are ended by force here: what only they knew of.
mayLeave(
  /^(?:descriptor|mapping) of \/memfd:fencepost-(?:command|journal|cursor-images|cursor-shelf|display-period|recording|snapshot|succession|taps|warm-up) /,
  /^descriptor of socket$/,
);

interface Line {
  level: string;
  actor: string;
  text: string;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const workers = workersFor(serverConfig());

class Run {
  readonly path = join(folder, "vhost.sock");
  readonly config: ServerConfig;
  readonly lines: Line[] = [];
  readonly listening: Promise<void>;
  readonly exitCode: Promise<number>;
  readonly supervisor: Supervisor;
  private wake = (): void => undefined;

  constructor(...flags: string[]) {
    const own = ["--socket-path", this.path, "--log-level", "debug"];
    this.config = { ...serverConfig(...own, ...flags), checkMessages: true };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.listening = promise;
    const write = (level: string, actor: string, text: string): void => {
      this.lines.push({ level, actor, text });
      this.wake();
    };
    this.supervisor = new Supervisor(
      this.config,
      { write, level: "debug" },
      { up: () => resolve(), session: () => {}, stopping: () => {} },
      // This process is the tests' own.
      { close: () => ({ said: [], refusal: null }), describe: () => ({}), checkFile: () => {} },
    );
    this.exitCode = this.supervisor.run();
  }

  async line(matches: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const line = this.lines.find(matches);
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  async control(request: unknown): Promise<Record<string, unknown>> {
    const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
    let text = "";
    const socket = await Bun.connect({
      unix: this.config.controlPath,
      socket: {
        data(_, bytes) {
          text += bytes.toString();
          if (text.endsWith("\n")) resolve(JSON.parse(text) as Record<string, unknown>);
        },
      },
    });
    socket.write(`${JSON.stringify(request)}\n`);
    const answer = await promise;
    socket.end();
    return answer;
  }

  async states(): Promise<Record<string, string>> {
    const { actors } = (await this.control({ command: "status" })) as {
      actors: Record<string, { state: string }>;
    };
    return Object.fromEntries(Object.entries(actors).map(([name, { state }]) => [name, state]));
  }
}

/** Keeps an actor from hearing that it is to stop, as if it hung. */
function deafen(supervisor: Supervisor, deaf: WorkerName): void {
  const { host } = supervisor as unknown as {
    host: { post(to: WorkerName, message: { runtime: string }, transfer?: MessagePort[]): void };
  };
  const post = host.post.bind(host);
  supervisor.stopTimeoutMs = 500;
  host.post = (to, message, transfer) => {
    if (to !== deaf || message.runtime !== "stop") post(to, message, transfer);
  };
}

test("every actor comes up, and a shutdown ends them all with code 0", async () => {
  const run = new Run();
  await run.listening;
  expect(await run.states()).toEqual(Object.fromEntries(workers.map((name) => [name, "running"])));
  expect(await run.control({ command: "status" })).toMatchObject({
    ok: true,
    device: "listening",
    session: { state: "listening", vrings: [] },
    display: { surfaces: 0, sinks: [] },
  });
  expect(await run.control({ command: "screenshot", path: join(folder, "a.png") })).toEqual({
    ok: false,
    error: "scanout 0 is off",
  });

  expect(await run.control({ command: "shutdown" })).toEqual({ ok: true });

  expect(await run.exitCode).toBe(0);
  expect(run.lines.at(-1)).toMatchObject({ level: "info", text: "stopped: asked to on the control socket" });
  expect(run.lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(existsSync(run.path)).toBe(false);
  expect(existsSync(run.config.controlPath)).toBe(false);
}, 15_000);

test("the inspector is told of actors without a word from the ctrl queue, which may be in a stream for long", async () => {
  const run = new Run("--inspect", "--renderer=software");
  await run.listening;
  const { text } = await run.line((line) => line.actor === "inspector" && line.text.startsWith("open "));
  const { host } = run.supervisor as unknown as {
    host: { send(to: string, message: { type: string }): void; tap: { close(): void } };
  };
  const send = host.send.bind(host);
  const sent: string[] = [];
  host.send = (to, message) => {
    sent.push(`${to} ${message.type}`);
    send(to, message);
  };
  const url = new URL(text.slice("open ".length));
  const headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  const answer = await fetch(new URL("/api/actors", url), { headers });
  const actors = (await answer.json()) as { name: string; state: string }[];
  expect(actors.find(({ name }) => name === "ctrl-queue")?.state).toBe("running");
  expect(sent).toContain("inspector status");
  expect(sent).not.toContain("ctrl-queue ask-description");
  run.supervisor.shutdown("the test is over");
  expect(await run.exitCode).toBe(0);
  // Elsewhere the process ends with it.
  host.tap.close();
}, 15_000);

test("an actor that does not stop is ended, and the code says so", async () => {
  const run = new Run();
  await run.listening;
  deafen(run.supervisor, "fence-poller");
  run.supervisor.shutdown("enough");

  expect(await run.exitCode).toBe(4);
  expect(run.lines).toContainEqual({
    level: "error",
    actor: "fence-poller",
    text: "did not stop within 0.5 s, and was ended",
  });
  expect(run.lines.at(-1)!.text).toBe("the device failed: some actors did not stop in time");
}, 15_000);

test("a reason from before the stop counts more than an actor that does not stop", async () => {
  const run = new Run();
  await run.listening;
  deafen(run.supervisor, "fence-poller");
  await run.control({ command: "kill", actor: "ctrl-queue" });

  expect(await run.exitCode).toBe(3);
}, 15_000);

test("the first reason to end counts", async () => {
  const run = new Run();
  await run.listening;
  run.supervisor.shutdown("one");
  run.supervisor.shutdown("two");

  expect(await run.exitCode).toBe(0);
  expect(run.lines.at(-1)!.text).toBe("stopped: one");
}, 15_000);

test("an actor that can lose its state is replaced, again and again", async () => {
  const run = new Run();
  await run.listening;
  const survivors = workers.filter((name) => manifestOf[name].survives === true);
  expect(survivors.length).toBeGreaterThan(1);
  for (const actor of survivors) {
    for (let life = 0; life < 2; life++) {
      run.lines.length = 0;
      await run.control({ command: "kill", actor });
      await run.line((line) => line.actor === actor && line.text === "restarted");
      expect(run.lines).toContainEqual({ level: "error", actor, text: "crashed: killed by request" });
    }
  }
  expect(new Set(Object.values(await run.states()))).toEqual(new Set(["running"]));
  expect(await run.control({ command: "status" })).toMatchObject({ display: { surfaces: 0 } });
  run.supervisor.shutdown("enough");

  expect(await run.exitCode).toBe(0);
}, 20_000);

test("an actor that crashes more often than it is forgiven ends the device with code 3", async () => {
  const run = new Run();
  await run.listening;
  for (let life = 0; life < 5; life++) {
    run.lines.length = 0;
    await run.control({ command: "kill", actor: "fence-poller" });
    await run.line(({ text }) => text === "restarted");
  }
  await run.control({ command: "kill", actor: "fence-poller" });

  expect(await run.exitCode).toBe(3);
  expect(run.lines.at(-1)!.text).toMatch(
    /^the device failed: the fence-poller actor crashed 6 times in \d\.\d s, the last time: killed by request\. Start the server and its VM again; where it goes on, --record /,
  );
}, 20_000);

test("an inspector that crashes again and again is given up, and the device goes on", async () => {
  const run = new Run("--inspect");
  await run.listening;
  for (let life = 0; life < 5; life++) {
    run.lines.length = 0;
    await run.control({ command: "kill", actor: "inspector" });
    await run.line(({ text }) => text === "restarted");
  }
  await run.control({ command: "kill", actor: "inspector" });
  await run.line(({ actor, text }) => actor === "inspector" && text.startsWith("given up"));

  const states = await run.states();
  expect(states["inspector"]).toBe("failed");
  delete states["inspector"];
  expect(new Set(Object.values(states))).toEqual(new Set(["running"]));
  expect(await run.control({ command: "inspector" })).toMatchObject({
    error: expect.stringContaining("the inspector is not there"),
  });
  run.supervisor.shutdown("enough");
  expect(await run.exitCode).toBe(0);
}, 20_000);

test.each([
  ["that the settings ask for", true],
  ["that somebody has asked for", false],
])(
  "a recorder %s and that crashes again and again costs the recording alone, and comes where another is asked for",
  async (_, isWanted) => {
    const path = join(folder, "recording");
    const run = new Run(...(isWanted ? ["--record", path] : []));
    await run.listening;
    if (!isWanted)
      expect(await run.control({ command: "record-start", path })).toMatchObject({ ok: true, contexts: 0 });
    await run.line(({ text }) => text.startsWith("recording to"));
    for (let life = 0; life < 5; life++) {
      run.lines.length = 0;
      await run.control({ command: "kill", actor: "recorder" });
      await run.line(({ text }) => text === "restarted");
    }
    await run.control({ command: "kill", actor: "recorder" });
    await run.line(({ actor, text }) => actor === "recorder" && text.startsWith("given up"));

    const { recorder, ...others } = await run.states();
    expect(recorder).toBe("failed");
    expect(new Set(Object.values(others))).toEqual(new Set(["running"]));
    expect(await run.control({ command: "record-stop" })).toMatchObject({
      error: "nothing is being recorded",
    });
    const first = openRecording(path);
    expect(first.ending).toEqual({ reason: "crashed", text: "the recorder has crashed" });
    first.close();

    const another = `${path}.2`;
    expect(await run.control({ command: "record-start", path: another })).toMatchObject({ ok: true });
    expect((await run.states())["recorder"]).toBe("running");
    expect(await run.control({ command: "record-stop" })).toMatchObject({ ok: true, path: another });
    run.supervisor.shutdown("enough");
    expect(await run.exitCode).toBe(0);
  },
  30_000,
);

for (const actor of ["ctrl-queue", "vhost-session"] as const) {
  test(`the ${actor} that crashes ends the device with code 3`, async () => {
    const run = new Run();
    await run.listening;
    await run.control({ command: "kill", actor });

    expect(await run.exitCode).toBe(3);
    expect(run.lines.at(-1)).toMatchObject({
      level: "error",
      text: expect.stringContaining(
        `the device failed: the ${actor} actor crashed: killed by request. Start `,
      ),
    });
  }, 15_000);
}

test("an actor's life that has ended forgives no crash of the next one", async () => {
  const run = new Run();
  run.supervisor.settledMs = 250;
  await run.listening;
  const { crashes } = (
    run.supervisor as unknown as { inquiries: { crashes: { story(name: string): string } } }
  ).inquiries;
  await run.control({ command: "kill", actor: "fence-poller" });
  await run.line(({ text }) => text === "restarted");
  expect(crashes.story("fence-poller")).toContain("crashed: killed by request");
  await Bun.sleep(400);
  expect((await run.control({ command: "status" }))["actors"]).toMatchObject({
    "fence-poller": { restarts: 0, crashes: 1 },
    display: { crashes: 0 },
  });
  // Each life is shorter than what is forgiven, all together are longer.
  for (let life = 0; life < 5; life++) {
    run.lines.length = 0;
    await run.control({ command: "kill", actor: "fence-poller" });
    await run.line(({ text }) => text === "restarted");
    await Bun.sleep(100);
  }
  await run.control({ command: "kill", actor: "fence-poller" });

  expect(await run.exitCode).toBe(3);
  expect(run.lines.at(-1)!.text).toContain("crashed 6 times in ");
}, 20_000);

describe("a process that is not there", () => {
  const { "ctrl-queue": ownEntry } = entries;
  afterEach(() => {
    Object.assign(entries, { "ctrl-queue": ownEntry });
  });

  /** The next one never comes up. */
  function haltNext(): void {
    const url = new URL("../../support/endless-start.ts", import.meta.url);
    Object.assign(entries, { "ctrl-queue": () => url });
  }

  const start = (...flags: string[]): Run => new Run("--isolation=process", "--renderer=software", ...flags);

  /** The process of the ctrl queue; null where there is none. */
  const pidOf = ({ supervisor }: Run): number | null =>
    (supervisor as unknown as { host: { pidOf(name: WorkerName): number | null } }).host.pidOf("ctrl-queue");

  /** Has the ctrl queue die under a guest's driver. */
  async function bereave(run: Run): Promise<SyntheticGuest> {
    await run.listening;
    const guest = SyntheticGuest.boot(run.path, {});
    await run.line(({ text }) => text === "the guest's driver has started");
    haltNext();
    process.kill(pidOf(run)!, "SIGKILL");
    await run.line(({ text }) => text.startsWith("crashed: "));
    return guest;
  }

  async function another(run: Run): Promise<void> {
    while (pidOf(run) === null) await Bun.sleep(1);
  }

  /** A session waits for three seconds for a queue that is there, and whoever starts may take longer. */
  async function expectEnd(run: Run, from: number): Promise<void> {
    expect(await run.exitCode).toBe(0);
    expect(performance.now() - from).toBeLessThan(1_500);
    expect(run.lines.filter(({ text }) => text === "restarted" || text.includes("did not stop"))).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  }

  const moments = ["before another one is started", "as another one starts"] as const;

  test.each(moments)("is not waited for by a server that is to stop, %s", async (moment) => {
    const run = start();
    const guest = await bereave(run);
    if (moment === moments[1]) await another(run);
    const from = performance.now();
    run.supervisor.shutdown("enough");
    await expectEnd(run, from);
    guest.close();
  });

  test.each(moments)("is not waited for by a server whose only front-end goes, %s", async (moment) => {
    const run = start("--once");
    const guest = await bereave(run);
    if (moment === moments[1]) await another(run);
    const from = performance.now();
    guest.close();
    await expectEnd(run, from);
  });

  test("since it starts for the first time, is not waited for by a server that is to stop", async () => {
    haltNext();
    const run = start();
    await another(run);
    const from = performance.now();
    run.supervisor.shutdown("enough");
    await expectEnd(run, from);
  });
});

test("a ctrl queue that crashes under a front-end is not waited for, and no socket is left behind", async () => {
  const run = new Run();
  await run.listening;
  const fd = connectUnix(run.path, "stream");
  await run.line(({ text }) => text === "a front-end has connected");
  const from = performance.now();
  await run.control({ command: "kill", actor: "ctrl-queue" });

  expect(await run.exitCode).toBe(3);
  expect(performance.now() - from).toBeLessThan(2_500);
  expect(readdirSync(folder)).toEqual([]);
  expect(run.lines.filter(({ text }) => text.includes("did not stop"))).toEqual([]);
  closeFd(fd);
}, 20_000);

test("a vhost session that crashes leaves no socket behind", async () => {
  const run = new Run();
  await run.listening;
  await run.control({ command: "kill", actor: "vhost-session" });

  expect(await run.exitCode).toBe(3);
  expect(readdirSync(folder)).toEqual([]);
}, 20_000);

test.each(["--trace", "--record"])(
  "%s to where nothing can be made ends with code 2, and says so",
  async (flag) => {
    const run = new Run(flag, join(folder, "none", "file"));
    expect(await run.exitCode).toBe(2);
    expect(run.lines.at(-1)!.text).toBe(
      `the device failed: ${flag}: there is no folder ${join(folder, "none")}: make it`,
    );
  },
);

test.each([
  ["--socket-path", ""],
  ["--control-path", "no control socket: "],
  ["--resource-bridge", "no resource bridge: "],
])("%s in no folder ends with code 2, says how to mend that, and starts no actor", async (flag, what) => {
  const none = join(folder, "none");
  const run = new Run(flag, join(none, "a.sock"));
  expect(await run.exitCode).toBe(2);
  expect(run.lines.map(({ text }) => text)).toEqual([
    `the device failed: ${what}there is no folder ${none} for ${none}/a.sock: make it, or choose another path`,
  ]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a socket that cannot be opened ends the device with code 1 and a reason", async () => {
  const listener = listenUnix(join(folder, "vhost.sock"), "stream");
  const run = new Run();

  expect(await run.exitCode).toBe(1);
  expect(run.lines.at(-1)!.text).toMatch(/another process is listening on .*vhost.sock/);
  closeFd(listener);
}, 15_000);

test("a control path that is a file ends the device with code 2 and leaves the file alone", async () => {
  writeFileSync(join(folder, "vhost.sock.ctl"), "precious");
  const run = new Run();

  expect(await run.exitCode).toBe(2);
  expect(run.lines.at(-1)!.text).toMatch(/no control socket: .*vhost.sock.ctl exists and is not a socket/);
  expect(await Bun.file(join(folder, "vhost.sock.ctl")).text()).toBe("precious");
}, 15_000);

test("a front-end that comes while the actors start waits, and is served", async () => {
  const run = new Run();
  const early = connectUnix(run.path, "stream");
  await run.line(({ text }) => text === "a front-end has connected");
  expect(await run.states()).toEqual(Object.fromEntries(workers.map((name) => [name, "running"])));
  run.supervisor.shutdown("enough");
  expect(await run.exitCode).toBe(0);
  closeFd(early);
});

test("a start that ends before its time leaves no socket behind", async () => {
  const run = new Run();
  const early = connectUnix(run.path, "stream");
  run.supervisor.shutdown("enough");
  expect(await run.exitCode).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
  closeFd(early);
});

test("a front-end that comes and goes is noticed; with --once its going ends the device", async () => {
  const run = new Run("--once");
  await run.listening;
  const fd = connectUnix(run.path, "stream");
  await run.line(({ text }) => text === "a front-end has connected");
  expect(await run.control({ command: "status" })).toMatchObject({ device: "connected" });
  closeFd(fd);

  expect(await run.exitCode).toBe(0);
  expect(run.lines.at(-1)!.text).toBe("stopped: the front-end has gone");
}, 15_000);

test("a server that only serves on goes on listening when a front-end has gone", async () => {
  const run = new Run();
  await run.listening;
  for (let turn = 0; turn < 3; turn++) {
    run.lines.length = 0;
    const fd = connectUnix(run.path, "stream");
    await run.line(({ text }) => text === "a front-end has connected");
    closeFd(fd);
    await run.line(({ text }) => text === "the front-end has disconnected");
  }
  run.supervisor.shutdown("enough");

  expect(await run.exitCode).toBe(0);
}, 15_000);
