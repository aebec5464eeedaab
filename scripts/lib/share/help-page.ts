// What a program's --help says, in parts: manual pages and completions are made of it, so that nothing is written twice.

export interface Row {
  /** A flag with its value, or a command with its words. */
  readonly term: string;
  readonly text: string;
}

export interface Section {
  /** Null of rows that have no heading. */
  readonly heading: string | null;
  readonly rows: Row[];
}

export interface HelpPage {
  readonly usage: string[];
  /** Paragraphs before the rows, and behind them. */
  readonly intro: string[];
  readonly sections: Section[];
  readonly notes: string[];
  readonly exitCodes: string | null;
}

export interface Flag {
  /** With their dashes. */
  readonly names: readonly string[];
  readonly text: string;
  /** The placeholder of its value; null where it takes none. */
  readonly value: string | null;
  /** Whether the value may be left out, and else comes behind "=". */
  readonly isOptional: boolean;
}

export function readHelp(text: string): HelpPage {
  const usage: string[] = [];
  const sections: Section[] = [];
  const [intro, notes]: [string[], string[]] = [[], []];
  let exitCodes: string | null = null;
  for (const block of text.trim().split(/\n\n+/).flatMap(apart)) {
    const lines = block.split("\n");
    if (block.startsWith("Usage:")) usage.push(...lines.map((line) => line.replace(/^Usage:/, "").trim()));
    else if (block.startsWith("Exit codes:")) exitCodes = joined(lines).replace(/^Exit codes: */, "");
    else if (lines.some((line) => line.startsWith("  "))) sections.push(sectionOf(lines));
    else (sections.length === 0 ? intro : notes).push(joined(lines));
  }
  return { usage, intro, sections, notes, exitCodes };
}

/** Exit codes are a paragraph of their own, even where they stand behind another. */
const apart = (block: string): string[] => block.split(/\n(?=Exit codes:)/);

function sectionOf(lines: readonly string[]): Section {
  const [first = ""] = lines;
  const rows: { term: string; text: string }[] = [];
  for (const line of first.startsWith(" ") ? lines : lines.slice(1)) {
    const [, term, text = ""] = /^ {2}(\S.*?)(?: {2,}(\S.*))?$/.exec(line) ?? [];
    if (term !== undefined) rows.push({ term, text });
    else rows.at(-1)!.text = joined([rows.at(-1)!.text, line.trim()]);
  }
  return { heading: first.startsWith(" ") ? null : first.replace(/:$/, ""), rows };
}

const joined = (lines: readonly string[]): string => lines.filter((line) => line !== "").join(" ");

/** All flags of a page, those included that only its usage has. */
export function flagsOf({ sections, usage }: HelpPage): Flag[] {
  const rows = sections.flatMap((section) => section.rows).filter(({ term }) => term.startsWith("-"));
  const flags = rows.flatMap(readFlag);
  const known = new Set(flags.flatMap(({ names }) => names));
  for (const line of usage) {
    for (const [term] of line.matchAll(/(?<=[\s[])--?[a-z][a-z-]*(?: [A-Z]+)?/g)) {
      const [flag] = readFlag({ term, text: "" });
      if (flag === undefined || flag.names.some((name) => known.has(name))) continue;
      known.add(flag.names[0]!);
      flags.push(flag);
    }
  }
  return flags;
}

/** `-n, --scanout N` is one flag of two names; `--fast, --realtime` are two flags. */
function readFlag({ term, text }: Row): Flag[] {
  const [, list, rest] = /^((?:--?[A-Za-z][\w-]*)(?:, --?[A-Za-z][\w-]*)*)(.*)$/.exec(term)!;
  const names = list!.split(", ");
  const value = /^\[?[= ](.+?)\]?$/.exec(rest!)?.[1] ?? null;
  const flag = { text, value, isOptional: rest!.startsWith("[=") };
  const isShort = /^-[A-Za-z]$/.test(names[0]!);
  return isShort ? [{ ...flag, names }] : names.map((name) => ({ ...flag, names: [name] }));
}
