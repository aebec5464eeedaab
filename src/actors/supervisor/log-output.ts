// Where log lines go: to standard error, to a file, or to the journal with their level, actor and server as fields.

import { closeSync, existsSync, fstatSync, openSync } from "node:fs";
import { DatagramPeer } from "../../transport/os/datagram-peer.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { withFile } from "../../transport/os/files.ts";
import { PatientWriter } from "../../transport/os/patient-writer.ts";
import type { ActorName } from "../registry.ts";
import type { Level } from "../runtime/log.ts";

/** Takes lines without ever waiting for whoever reads them. */
export interface LogOutput {
  /** `text` is one line, without its end. */
  line(level: Level, actor: ActorName, text: string): void;
  /** Gives what waits a last chance, for at most `ms`. */
  flush(ms: number): void;
  close(): void;
}

/** Lines as people read them. */
export class TextOutput implements LogOutput {
  constructor(
    private readonly writer: PatientWriter,
    /** A file of its own, which has dates too; or -1. */
    private readonly file = -1,
  ) {}

  line(level: Level, actor: ActorName, text: string): void {
    const now = new Date().toISOString();
    const time = this.file >= 0 ? now : now.slice(11, 23);
    this.writer.write(`${time} ${level.padEnd(7)} ${actor}: ${text}\n`);
  }

  flush(ms: number): void {
    this.writer.flush(ms);
  }

  close(): void {
    closeFd(this.file);
  }
}

/** Levels of syslog(3). */
const priorities: Readonly<Record<Level, number>> = { error: 3, warning: 4, info: 6, debug: 7 };

/** Entries of the journal, by its native protocol. */
class JournalOutput implements LogOutput {
  private readonly journal: DatagramPeer;
  private missing = 0;

  /** `server`: the path that tells this server from others. */
  constructor(
    path: string,
    private readonly server: string,
  ) {
    this.journal = new DatagramPeer(path);
  }

  line(level: Level, actor: ActorName, text: string): void {
    if (this.missing > 0) {
      const count = this.missing;
      if (this.journal.send(this.entry("warning", "supervisor", `${count} lines are missing here`)))
        this.missing = 0;
    }
    if (!this.journal.send(this.entry(level, actor, text))) this.missing++;
  }

  flush(): void {}

  close(): void {
    this.journal.close();
  }

  private entry(level: Level, actor: ActorName, text: string): string {
    return [
      `MESSAGE=${actor}: ${text}`,
      `PRIORITY=${priorities[level]}`,
      "SYSLOG_IDENTIFIER=fencepost",
      `FENCEPOST_ACTOR=${actor}`,
      `FENCEPOST_SERVER=${this.server}`,
      "",
    ].join("\n");
  }
}

/** How the log's place is found; a test has others. */
export interface LogPlaces {
  /** Descriptor of standard error. */
  stderr: number;
  /** What systemd says that standard error is, as device:inode (systemd.exec(5)). */
  journalStream: string | undefined;
  journal: string;
}

const usualPlaces = (): LogPlaces => ({
  stderr: 2,
  journalStream: process.env["JOURNAL_STREAM"],
  journal: "/run/systemd/journal/socket",
});

/**
 * Chooses: a file that was named; the journal, where standard error leads there, or nowhere, as under libvirt; or standard
 * error. Throws a Refusal for a file that cannot be had.
 */
export function openLog(file: string | undefined, server: string, places = usualPlaces()): LogOutput {
  if (file !== undefined) {
    const fd = withFile(file, () => openSync(file, "a", 0o600));
    return new TextOutput(new PatientWriter(fd), fd);
  }
  const { stderr, journal } = places;
  const toJournal = existsSync(journal) && (isJournal(places) || leadsNowhere(stderr));
  return toJournal ? new JournalOutput(journal, server) : new TextOutput(new PatientWriter(stderr));
}

/** A program that systemd started may have got another standard error since. */
function isJournal({ stderr, journalStream }: LogPlaces): boolean {
  const is = statOf(stderr);
  return is !== null && journalStream === `${is.dev}:${is.ino}`;
}

function leadsNowhere(fd: number): boolean {
  const is = statOf(fd);
  return is === null || is.rdev === nullDevice();
}

function nullDevice(): number {
  const fd = openSync("/dev/null", "r");
  try {
    return fstatSync(fd).rdev;
  } finally {
    closeSync(fd);
  }
}

function statOf(fd: number) {
  try {
    return fstatSync(fd);
  } catch {
    // It is closed.
    return null;
  }
}
