// Deadlines of an actor that sleeps in epoll, and log lines that a guest cannot flood.
import { afterAll, afterEach, expect, spyOn, test } from "bun:test";
import { Log, levels, printable } from "../../../src/actors/runtime/log.ts";
import { Timers } from "../../../src/actors/runtime/timers.ts";

let clock = 0;
const nanoseconds = spyOn(Bun, "nanoseconds").mockImplementation(() => clock * 1e6);
afterAll(() => nanoseconds.mockRestore());
afterEach(() => {
  clock = 0;
});

test("without timers an actor may sleep for ever", () => {
  expect(new Timers().timeout()).toBe(-1);
});

test("the time-out is that of the next deadline, rounded up, and never negative", () => {
  const timers = new Timers();
  timers.after(20, () => undefined);
  timers.after(5, () => undefined);
  expect(timers.timeout()).toBe(5);
  clock = 0.5;
  expect(timers.timeout()).toBe(5);
  clock = 100;
  expect(timers.timeout()).toBe(0);
});

test("a timer runs once, when it is due", () => {
  const timers = new Timers();
  let runs = 0;
  timers.after(5, () => runs++);
  clock = 4.9;
  timers.runDue();
  expect(runs).toBe(0);
  clock = 5;
  timers.runDue();
  timers.runDue();
  expect(runs).toBe(1);
  expect(timers.timeout()).toBe(-1);
});

test("timers that are due at once run in the order of their deadlines", () => {
  const timers = new Timers();
  const ran: number[] = [];
  for (const delay of [30, 1, 15, 1.5]) timers.after(delay, () => ran.push(delay));
  clock = 20;
  timers.runDue();

  expect(ran).toEqual([1, 1.5, 15]);
});

test("a cancelled timer does not run, also when another that is due cancels it", () => {
  const timers = new Timers();
  const ran: string[] = [];
  const cancel = timers.after(1, () => ran.push("cancelled"));
  cancel();
  let cancelLater = (): void => undefined;
  timers.after(1, () => {
    ran.push("first");
    cancelLater();
  });
  cancelLater = timers.after(1, () => ran.push("second"));
  clock = 1;
  timers.runDue();

  expect(ran).toEqual(["first"]);
});

test("a timer that sets itself again waits for its next deadline", () => {
  const timers = new Timers();
  let runs = 0;
  const again = (): void => {
    runs++;
    timers.after(10, again);
  };
  timers.after(10, again);
  for (clock = 0; clock <= 50; clock++) timers.runDue();
  expect(runs).toBe(5);
});

test("lines below the level are not written", () => {
  for (const [index, lowest] of levels.entries()) {
    const written: string[] = [];
    const log = new Log(lowest, (level) => written.push(level), 10);
    log.debug("");
    log.info("");
    log.warning("");
    log.error("");
    expect(written).toEqual(levels.slice(index));
  }
});

test("a guest's mistakes are written ten a second, and the others counted", () => {
  const written: string[] = [];
  const log = new Log("debug", (level, text) => written.push(`${level} ${text}`), 10);
  let made = 0;
  for (let count = 0; count < 1000; count++) log.guest(() => `mistake ${made++}`);
  expect(made).toBe(10);
  expect(written).toHaveLength(10);
  expect(written[0]).toBe("warning mistake 0");

  clock = 1000;
  log.guest(() => "later");
  expect(written.slice(10)).toEqual([
    "warning 990 more lines were not logged (--log-lines-max 10)",
    "warning later",
  ]);

  clock = 2000;
  log.guest(() => "much later");
  expect(written.slice(12)).toEqual(["warning much later"]);
});

test("a limit that is reached is a line in ten seconds, however much else is said, and tells how often it was meanwhile", () => {
  const written: string[] = [];
  const log = new Log("debug", (level, text) => written.push(`${level} ${text}`), 1);
  clock = 0;
  log.guest(() => "a mistake");
  for (let count = 0; count < 1000; count++) {
    log.beyond("objectsMax", 7, "its stream is not run", { id: 3, name: "glxgears" });
    log.beyond("resourcesMax", 5, "a resource is not made");
  }
  clock = 9_999;
  log.beyond("objectsMax", 7, "its stream is not run", { id: 4, name: "" });
  expect(written.splice(0)).toEqual([
    "warning a mistake",
    "warning context 3 (glxgears) is at a limit: its stream is not run; --objects-max above 7 allows more",
    "warning the guest is at a limit: a resource is not made; --resources-max above 5 allows more",
  ]);
  clock = 10_000;
  log.beyond("objectsMax", 7, "its stream is not run", { id: 4, name: "" });
  expect(written).toEqual([
    "warning context 4 is at a limit: its stream is not run; --objects-max above 7 allows more (and 1000 times before)",
  ]);
});

test("what can be brought about again and again keeps its level, and shares the limit", () => {
  const written: string[] = [];
  const log = new Log("info", (level, text) => written.push(`${level} ${text}`), 10);
  for (let count = 0; count < 100; count++) log.limited(count % 2 === 0 ? "info" : "error", () => `${count}`);
  expect(written.slice(0, 3)).toEqual(["info 0", "error 1", "info 2"]);
  expect(written).toHaveLength(10);
});

test("text does nothing to a terminal and stays one line", () => {
  expect(printable("A\ufffd\0B \x1b[2J\n\u2028é")).toBe("A\ufffd\\x00B \\x1b[2J\\x0a\\u{2028}é");
});
