// Log lines on their way to the supervisor's one sink. What a guest can provoke is rate-limited.

import { flagOf } from "../../config-flag.ts";
import type { LimitName } from "../../config-limits.ts";
import { milliseconds } from "../../transport/os/clock.ts";

export const levels = ["debug", "info", "warning", "error"] as const;
export type Level = (typeof levels)[number];

/** `text` in which nothing acts on a terminal, or ends a line. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{C}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u{${code}}`;
  });

const windowMs = 1000;
/** How long nothing more is said of a limit that was told of. */
const limitMs = 10_000;

/** Who has reached a limit: a context, or others in words. */
export type Whose = { readonly id: number; readonly name: string } | string;

/**
 * Contract of the levels: error, the device or a session cannot go on; warning, something is wrong and was survived;
 * info, what an operator wants to know once; debug, the rest.
 */
export class Log {
  private lowest: number;
  private windowEnd = 0;
  private inWindow = 0;
  private withheld = 0;
  /** Limits that were told of: until when no more is said, and how often they were reached meanwhile. */
  private readonly limits = new Map<LimitName, { readonly until: number; more: number }>();

  constructor(
    lowest: Level,
    private readonly write: (level: Level, text: string) => void,
    /** Lines a second of {@link limited}. */
    private readonly linesMax: number,
    /** What has more of them, where anything has. */
    private readonly raisedBy = ` (--${flagOf("logLinesMax" satisfies LimitName)} ${linesMax})`,
  ) {
    this.lowest = levels.indexOf(lowest);
  }

  set level(lowest: Level) {
    this.lowest = levels.indexOf(lowest);
  }

  debug(text: string): void {
    this.at("debug", text);
  }

  info(text: string): void {
    this.at("info", text);
  }

  warning(text: string): void {
    this.at("warning", text);
  }

  error(text: string): void {
    this.at("error", text);
  }

  /** A mistake of the guest's: a warning, at most `linesMax` a second. `text` is made only when it is written. */
  guest(text: () => string): void {
    this.limited("warning", text);
  }

  /** What a guest, or whoever may connect, can bring about again and again: of all levels together at most `linesMax` a second. */
  limited(level: Level, text: () => string): void {
    const at = milliseconds();
    if (at >= this.windowEnd) {
      if (this.withheld > 0)
        this.at("warning", `${this.withheld} more lines were not logged${this.raisedBy}`);
      this.windowEnd = at + windowMs;
      this.inWindow = 0;
      this.withheld = 0;
    }
    if (this.inWindow++ < this.linesMax) this.at(level, text());
    else this.withheld++;
  }

  /** Somebody has reached a limit of `value`, so that `what` happens: a line in ten seconds of each limit, which is never withheld. */
  beyond(limit: LimitName, value: number, what: string, whose: Whose = "the guest"): void {
    const at = milliseconds();
    const told = this.limits.get(limit);
    if (told !== undefined && at < told.until) {
      told.more++;
      return;
    }
    const before = told === undefined || told.more === 0 ? "" : ` (and ${told.more} times before)`;
    this.limits.set(limit, { until: at + limitMs, more: 0 });
    const option = `--${flagOf(limit)} above ${value} allows more`;
    this.at("warning", `${nameOf(whose)} is at a limit: ${what}; ${option}${before}`);
  }

  private at(level: Level, text: string): void {
    if (levels.indexOf(level) >= this.lowest) this.write(level, text);
  }
}

function nameOf(whose: Whose): string {
  if (typeof whose === "string") return whose;
  return whose.name === "" ? `context ${whose.id}` : `context ${whose.id} (${whose.name})`;
}
