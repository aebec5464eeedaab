// Completion for zsh.

import type { FlagWord, ProgramWords, Value } from "./words.ts";

export function zshCompletion(programs: readonly ProgramWords[]): string {
  const listed = programs.map(({ program, summary }) => `    ${quoted(`${program}:${plain(summary)}`)}`);
  return `#compdef fencepost

_fencepost() {
  local program=serve
  local -a programs
  programs=(
${listed.join("\n")}
    'help:what a command does'
  )
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe command programs
    return
  fi
  case $words[2] in
    help)
      _describe command programs
      return
      ;;
    ${programs.map(({ program }) => program).join("|")})
      program=$words[2]
      shift words
      ((CURRENT--))
      ;;
  esac
  case $program in
${programs.map(programCase).join("\n")}
  esac
}

_fencepost "$@"
`;
}

function programCase({ program, flags, commands }: ProgramWords): string {
  const rest =
    commands.length > 0
      ? [`'1:command:(${commands.map(({ word }) => word).join(" ")})'`, "'*:argument:_files'"]
      : program === "serve"
        ? []
        : ["'*:file:_files'"];
  const specs = [...flags.map(flagSpec), ...rest].map((spec) => `        ${spec}`);
  return `    ${program})\n      _arguments \\\n${specs.join(" \\\n")}\n      ;;`;
}

function flagSpec({ names, text, value, isOptional }: FlagWord): string {
  const help = `[${plain(text)}]`;
  const argument = value === null ? "" : `${isOptional ? "::" : ":"}value:${action(value)}`;
  const equals = isOptional ? "=-" : value !== null && names.at(-1)!.startsWith("--") ? "=" : "";
  if (names.length === 1) return quoted(`${names[0]}${equals}${help}${argument}`);
  const [short, long] = names;
  return `${quoted(`(${names.join(" ")})`)}{${short},${long}${equals}}${quoted(`${help}${argument}`)}`;
}

function action(value: Value): string {
  if (value.kind === "words") return `(${value.words.join(" ")})`;
  return value.kind === "file" ? "_files" : value.kind === "folder" ? "_files -/" : " ";
}

const plain = (text: string): string => text.replaceAll(/[[\]]/g, "").replaceAll(":", "\\:");
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
