// Completion for bash.

import type { ProgramWords, Value } from "./words.ts";

export function bashCompletion(programs: readonly ProgramWords[]): string {
  const names = programs.map(({ program }) => program);
  return `# Completion of fencepost for bash.

_fencepost() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} program=serve
  COMPREPLY=()
  # Bash makes a word of an equals sign.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case \${COMP_WORDS[1]} in
    ${names.join(" | ")}) ((COMP_CWORD > 1)) && program=\${COMP_WORDS[1]} ;;
    help) program=help ;;
  esac
  case $program:$previous in
${programs.flatMap(valueCases).join("\n")}
  esac
  if [[ $current == -* ]]; then
    case $program in
${programs.map(flagsCase).join("\n")}
    esac
  elif ((COMP_CWORD == 1)) || [[ $program == help ]]; then
    _fencepost_words "${[...names, "help"].join(" ")}"
  else
    case $program in
${programs.map(argumentsCase).join("\n")}
    esac
  fi
}
${answers}`;
}

const answers = `
_fencepost_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_fencepost_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

complete -F _fencepost fencepost
`;

const flagsCase = ({ program, flags }: ProgramWords): string =>
  `      ${program}) _fencepost_words "${flags.flatMap((flag) => flag.names).join(" ")}" ;;`;

function argumentsCase({ program, commands }: ProgramWords): string {
  if (commands.length > 0)
    return `      ${program}) _fencepost_words "${commands.map(({ word }) => word).join(" ")}" ;;`;
  return `      ${program}) ${program === "serve" ? "" : "_fencepost_files -f "};;`;
}

function valueCases({ program, flags, commands }: ProgramWords): string[] {
  const all: { words: readonly string[]; value: Value }[] = [
    ...flags.flatMap(({ names, value, isOptional }) =>
      value === null || isOptional ? [] : [{ words: names, value }],
    ),
    ...commands.flatMap(({ word, next }) => (next === null ? [] : [{ words: [word], value: next }])),
  ];
  return all.map(
    ({ words, value }) =>
      `    ${words.map((word) => `${program}:${word}`).join(" | ")}) ${answer(value)}return ;;`,
  );
}

function answer(value: Value): string {
  switch (value.kind) {
    case "words":
      return `_fencepost_words "${value.words.join(" ")}"; `;
    case "file":
      return "_fencepost_files -f; ";
    case "folder":
      return "_fencepost_files -d; ";
    case "other":
      return "";
  }
}
