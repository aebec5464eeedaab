// What may come where on the command line of `fencepost`: what the completions of all shells are made of.

import { type Flag, flagsOf, type HelpPage } from "./help-page.ts";

/** What a value may be: one of a few words, a file, a folder, or something that no shell knows. */
export type Value = { kind: "words"; words: readonly string[] } | { kind: "file" | "folder" | "other" };

export interface FlagWord extends Omit<Flag, "value"> {
  /** Null where it takes none. */
  readonly value: Value | null;
}

/** One that `ctl` is told, and what may come behind it. */
export interface CommandWord {
  readonly word: string;
  readonly text: string;
  readonly next: Value | null;
}

export interface ProgramWords {
  readonly program: string;
  readonly summary: string;
  readonly flags: readonly FlagWord[];
  /** Empty where the program's arguments are files. */
  readonly commands: readonly CommandWord[];
}

/** Words that a placeholder, or a flag's name, stands for. */
export type Choices = Readonly<Record<string, readonly string[]>>;

export function wordsOf(program: string, summary: string, page: HelpPage, choices: Choices): ProgramWords {
  const valueOf = (placeholder: string, names: readonly string[]): Value => {
    const named = names.map((name) => choices[name]).find((words) => words !== undefined);
    if (named !== undefined) return { kind: "words", words: named };
    if (/^\w+(?:\|\w+)+$/.test(placeholder)) return { kind: "words", words: placeholder.split("|") };
    if (choices[placeholder] !== undefined) return { kind: "words", words: choices[placeholder] };
    if (placeholder === "DIR") return { kind: "folder" };
    return { kind: /^(?:FILE|PATH|OUT|SOCKET)/.test(placeholder) ? "file" : "other" };
  };
  const flags = flagsOf(page).map(({ value, ...flag }): FlagWord => ({
    ...flag,
    value: value === null ? null : valueOf(value, flag.names),
  }));
  const terms = page.sections.flatMap(({ rows }) => rows).filter(({ term }) => /^[a-z]/.test(term));
  return { program, summary, flags, commands: commandsOf(terms, (placeholder) => valueOf(placeholder, [])) };
}

function commandsOf(
  terms: readonly { term: string; text: string }[],
  valueOf: (placeholder: string) => Value,
): CommandWord[] {
  const found = new Map<string, CommandWord>();
  for (const { term, text } of terms) {
    const [word = "", ...rest] = term.split(" ");
    const before = found.get(word)?.next;
    const [second = ""] = rest;
    const isWord = /^[a-z]+$/.test(second);
    const words = [...(before?.kind === "words" ? before.words : []), ...(isWord ? [second] : [])];
    const placeholder = rest.findLast((one) => /^[A-Z]+$/.test(one));
    const other = placeholder === undefined ? null : valueOf(placeholder);
    const next =
      words.length > 0 ? { kind: "words" as const, words: [...new Set(words)] } : (before ?? other);
    if (!found.has(word) || isWord) found.set(word, { word, text: found.get(word)?.text ?? text, next });
  }
  return [...found.values()];
}
