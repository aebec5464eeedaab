// Where log lines go: a file, the journal or standard error, and what a journal is told.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type LogOutput,
  type LogPlaces,
  openLog as open,
  TextOutput,
} from "../../../src/actors/supervisor/log-output.ts";
import { DatagramListener } from "../../support/datagram-listener.ts";

const opened: LogOutput[] = [];
function openLog(file: string | undefined, server: string, places?: LogPlaces): LogOutput {
  const log = open(file, server, places);
  opened.push(log);
  return log;
}

let folder: string;
let journal: DatagramListener;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  journal = new DatagramListener(join(folder, "journal"));
});
afterEach(() => {
  for (const log of opened.splice(0)) log.close();
  journal.close();
  rmSync(folder, { recursive: true });
});

/** Opens a log whose standard error is `path`, does `work` with it, and closes that. */
function withStderr<T>(path: string, work: (stderr: number, identity: string) => T): T {
  const fd = openSync(path, "a");
  const { dev, ino } = fstatSync(fd);
  try {
    return work(fd, `${dev}:${ino}`);
  } finally {
    closeSync(fd);
  }
}

test("standard error that leads to the journal is told as fields", () => {
  withStderr(join(folder, "stderr"), (stderr, identity) => {
    const log = openLog(undefined, "/run/a.sock", { stderr, journalStream: identity, journal: journal.path });
    log.line("warning", "ctrl-queue", "a guest's mistake");
    expect(journal.next()).toBe(
      "MESSAGE=ctrl-queue: a guest's mistake\nPRIORITY=4\nSYSLOG_IDENTIFIER=fencepost\n" +
        "FENCEPOST_ACTOR=ctrl-queue\nFENCEPOST_SERVER=/run/a.sock\n",
    );
    log.line("error", "supervisor", "the end");
    expect(journal.next()).toContain("PRIORITY=3\n");
  });
  expect(readFileSync(join(folder, "stderr"), "utf8")).toBe("");
});

test("standard error that leads nowhere, as under libvirt, is no reason to lose the log", () => {
  withStderr("/dev/null", (stderr) => {
    openLog(undefined, "a", { stderr, journalStream: undefined, journal: journal.path }).line(
      "info",
      "display",
      "news",
    );
  });
  expect(journal.next()).toContain("MESSAGE=display: news\nPRIORITY=6\n");
});

test("standard error that leads elsewhere, or a host without a journal, has text", () => {
  const file = join(folder, "stderr");
  withStderr(file, (stderr, identity) => {
    for (const places of [
      { stderr, journalStream: undefined, journal: journal.path },
      // What systemd started has got another standard error since.
      { stderr, journalStream: "1:2", journal: journal.path },
      { stderr, journalStream: identity, journal: join(folder, "none") },
    ]) {
      const log = openLog(undefined, "a", places);
      expect(log).toBeInstanceOf(TextOutput);
      log.line("info", "display", "news");
    }
  });
  expect(readFileSync(file, "utf8")).toMatch(/^([\d:.]{12} info    display: news\n){3}$/);
});

test("a journal that went and came back is told how much it has missed", () => {
  withStderr("/dev/null", (stderr) => {
    const log = openLog(undefined, "a", { stderr, journalStream: undefined, journal: journal.path });
    log.line("info", "display", "one");
    expect(journal.next()).toContain("one");
    journal.close();
    log.line("info", "display", "two");
    log.line("info", "display", "three");
    journal = new DatagramListener(journal.path);
    log.line("info", "display", "four");
    expect(journal.next()).toContain("2 lines are missing here");
    expect(journal.next()).toContain("four");
  });
});

test("a log file is this user's, has dates, and is written on behind what it has", () => {
  const path = join(folder, "log");
  for (const text of ["one", "two"]) openLog(path, "a").line("info", "display", text);
  expect(readFileSync(path, "utf8")).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z info    display: one\n\d{4}-.* display: two\n$/,
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a log file that cannot be had is a mistake in words", () => {
  expect(() => openLog(join(folder, "none/log"), "a")).toThrow(
    `there is no folder ${join(folder, "none")}: make it`,
  );
  expect(() => openLog(folder, "a")).toThrow("is a folder: name a file in it");
});
