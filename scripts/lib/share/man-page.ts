// A manual page (man(7)) of what a program's --help says.

import type { HelpPage, Section } from "./help-page.ts";

export interface Heads {
  /** As in `man NAME`. */
  readonly name: string;
  readonly summary: string;
  readonly version: string;
  readonly seeAlso: readonly string[];
}

/** Beyond this a heading is a sentence. */
const headingLettersMax = 24;

export function manPage(page: HelpPage, { name, summary, version, seeAlso }: Heads): string {
  const { usage, intro, sections, notes, exitCodes } = page;
  const lines = [
    `.TH "${escaped(name.toUpperCase())}" 1 "" "fencepost ${version}" "Fencepost"`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(summary)}`,
    ".SH SYNOPSIS",
    ...usage.flatMap((line, index) => [...(index === 0 ? [] : [".br"]), synopsis(line)]),
    ".SH DESCRIPTION",
    ...paragraphs(intro),
    ...sections.flatMap(sectionLines),
  ];
  if (notes.length > 0) lines.push(".SH NOTES", ...paragraphs(notes));
  if (exitCodes !== null) lines.push(".SH EXIT STATUS", text(exitCodes));
  lines.push(".SH SEE ALSO", seeAlso.map((one) => `\\fB${escaped(one)}\\fR(1)`).join(", "));
  return `${lines.join("\n")}\n`;
}

function sectionLines({ heading, rows }: Section): string[] {
  const isSentence = heading !== null && heading.length > headingLettersMax;
  const title = (heading ?? "options").toUpperCase();
  return [
    ...(isSentence ? [".PP", text(`${heading}:`)] : [`.SH "${escaped(title)}"`]),
    ...rows.flatMap(({ term, text: what }) => [".TP", `\\fB${escaped(term)}\\fR`, text(what)]),
  ];
}

const paragraphs = (all: readonly string[]): string[] =>
  all.flatMap((one, index) => [...(index === 0 ? [] : [".PP"]), text(one)]);

/** The command in bold. */
const synopsis = (line: string): string =>
  escaped(line).replace(/^\S+(?: [a-z][a-z\\-]*)?/, (call) => `\\fB${call}\\fR`);

const escaped = (given: string): string =>
  given.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll('"', "\\(dq");

/** A line of running text, which may not look like a request. */
const text = (given: string): string => escaped(given).replace(/^(?=[.'])/, "\\&");
