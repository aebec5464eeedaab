// Completion for fish.

import type { FlagWord, ProgramWords, Value } from "./words.ts";

export function fishCompletion(programs: readonly ProgramWords[]): string {
  const others = programs.map(({ program }) => program).filter((program) => program !== "serve");
  const lines = ["# Completion of fencepost for fish.", "complete -c fencepost -f"];
  for (const { program, summary } of programs)
    lines.push(`complete -c fencepost -n __fish_use_subcommand -a ${program} -d ${quoted(summary)}`);
  lines.push("complete -c fencepost -n __fish_use_subcommand -a help -d 'what a command does'");
  const names = programs.map(({ program }) => program).join(" ");
  lines.push(`complete -c fencepost -n '__fish_seen_subcommand_from help' -a '${names}'`);
  for (const { program, flags, commands } of programs) {
    // Flags without a command are the server's.
    const where =
      program === "serve"
        ? `not __fish_seen_subcommand_from ${others.join(" ")} help`
        : `__fish_seen_subcommand_from ${program}`;
    const begin = `complete -c fencepost -n ${quoted(where)}`;
    for (const flag of flags) lines.push(`${begin} ${flagWords(flag)}`);
    for (const { word, text, next } of commands) {
      lines.push(`${begin} -a ${word} -d ${quoted(text)}`);
      const behind = quoted(`${where}; and __fish_seen_subcommand_from ${word}`);
      if (next !== null) lines.push(`complete -c fencepost -n ${behind} ${valueWords(next)}`);
    }
    if (commands.length === 0 && program !== "serve") lines.push(`${begin} -F`);
  }
  return `${lines.join("\n")}\n`;
}

function flagWords({ names, text, value, isOptional }: FlagWord): string {
  const spelled = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const argument = value === null || isOptional ? "" : ` -r ${valueWords(value)}`;
  return `${spelled.join(" ")}${argument}${text === "" ? "" : ` -d ${quoted(text)}`}`;
}

function valueWords(value: Value): string {
  if (value.kind === "words") return `-f -a ${quoted(value.words.join(" "))}`;
  if (value.kind === "folder") return "-f -a '(__fish_complete_directories)'";
  return value.kind === "file" ? "-F" : "-f";
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
