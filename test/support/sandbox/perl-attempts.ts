// The attempts as a program in Perl, which can make any system call and is on every Debian: for what may run no code of ours.

import { constants } from "node:os";
import { numberOf, ownArchitecture } from "../../../src/transport/os/sandbox/calls.ts";
import { attempts } from "./attempts.ts";

/** In place of the parent, which is known when the program runs. */
const parent = 2_147_000_001;
const number = (name: Parameters<typeof numberOf>[1]): number => numberOf(ownArchitecture!, name)!;

/** Tries all, and writes to the file `output` what came of each. */
export function attemptsInPerl(outside: string, output: string): string {
  const lines = Object.entries(attempts).map(([name, of]) => {
    const [call, ...args] = of({ outside, parent });
    return `attempt(${[JSON.stringify(name), number(call), ...args.map(written)].join(", ")});`;
  });
  return `#!/usr/bin/perl
my $parent = getppid();
open(my $out, ">", ${JSON.stringify(`${output}.part`)}) or die;
sub attempt {
  my ($name, $call, @args) = @_;
  my $result = syscall($call, @args);
  my $error = $! + 0;
  syscall(${number("exit_group")}, 0) if $call == ${number("clone")} && $result == 0;
  print $out "$name\\t", $result >= 0 ? 0 : $error, "\\n";
}
${lines.join("\n").replaceAll(String(parent), "$parent")}
close($out);
rename(${JSON.stringify(`${output}.part`)}, ${JSON.stringify(output)});
`;
}

const written = (argument: number | string | Uint8Array): string | number =>
  typeof argument === "object" ? `"\\0" x ${argument.length}` : JSON.stringify(argument);

/** What it has written, as {@link tryAll} says it. */
export function answersIn(text: string): Record<string, string> {
  const names = Object.entries(constants.errno);
  const said = (error: number): string =>
    error === 0 ? "done" : (names.find(([, one]) => one === error)?.[0] ?? String(error));
  const rows = text
    .trim()
    .split("\n")
    .map((line) => line.split("\t"));
  return Object.fromEntries(rows.map(([name, error]) => [name!, said(Number(error))]));
}
