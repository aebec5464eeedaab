// Every command of the documents does what a reader wants of it: it is run, page by page and in its order, with a guest in front
// of each server that a page starts. What cannot be run is listed here, with where it is shown instead.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { kvmPath } from "../lab/kvm/kvm.ts";
import { guestLoads } from "../bench/guest/load.ts";
import { parseOptions } from "../bench/options.ts";
import { workloads } from "../bench/system/workloads/index.ts";
import { missingParts } from "../lab/qemu/cache.ts";
import { commandsIn, commandsOf, documents, root } from "./support/reader/documents.ts";
import { atMost } from "./support/reader/at-most.ts";
import { ReaderShell } from "./support/reader/shell.ts";
import { Weston } from "./support/wayland/weston.ts";

/** Not run: why, and which file runs it or what it needs; null where none does. */
const elsewhere: readonly (readonly [RegExp, string, string | null])[] = [
  [/^\.\/setup\.sh/, "fetches packages", ".ci/run"],
  [/^\.\/\.ci\/run$/, "is CI", ".ci/run"],
  [/^bun run check$/, "takes half of a minute", ".ci/run"],
  [/^bun run test:(?:isolated|executable)$/, "are tests, for minutes", ".ci/run"],
  [/^bun run test:guest/, "boots guests, for minutes", ".ci/run"],
  [/^rm -f \.cache/, "takes away what tests stand on", null],
  [/\bsudo /, "changes the host; in a clean root:", "scripts/test-package.sh"],
  [/^journalctl /, "wants systemd's journal; its entries:", "test/actors/supervisor/log-output.test.ts"],
  [/^crosvm /, "Debian has no crosvm", null],
  [/^dmesg |^vulkaninfo /, "is for the guest", "test/e2e/vulkan.test.ts"],
  [/--vulkan --inspect$/, "boots a guest", "test/e2e/demo.test.ts"],
  [/--bisect (?:@|virgl "virgl)/, "starts many servers", "test/lab/replay/bisect-3d.test.ts"],
  [/--desktop$/, "boots a guest from a disk", "test/e2e/own-screens.test.ts"],
  [/--root (?:debian|vulkan)$/, "boots a guest from a disk", "test/e2e/virgl.test.ts"],
  [/^scripts\/debian-13\.sh/, "makes a root of Debian 13", null],
];

/** In place of what takes long: that it would be taken. */
const instead: readonly (readonly [RegExp, (command: string) => string])[] = [
  [/^bun bench$/, (command) => `${command} --list`],
  [/^bun run fuzz /, () => "bun run fuzz --list"],
  [/^bun run soak /, () => "bun run soak --help"],
  [/^bun run package$/, (command) => `${command} --help`],
  [/^bun scripts\/soak-page\.ts/, () => "bun scripts/soak-page.ts --help"],
  [/^scripts\/[\w-]+\.sh$/, (command) => `${command} --help`],
  [
    /^bun test/,
    (command) =>
      `ls ${command
        .split(" ")
        .filter((word) => word.startsWith("test/"))
        .join(" ")}`,
  ],
];

/** Measurements: that there is something to measure by such words. In this process, which has read what there is: another would read it for each. */
const measures = /^bun bench .*--/;

function readMeasurement(command: string): void {
  const words = command.match(/"[^"]*"|'[^']*'|\S+/g)!.map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
  const { guest, filter } = parseOptions(words.slice(2));
  const names = [...(guest ? guestLoads : workloads)].map(({ name }) => name);
  if (!names.some((name) => filter.test(name))) throw new Error(`${command}: there is no ${filter.source}`);
}

/** What goes on until it is interrupted, once it has said so; or has written something to a file. */
const goesOn: readonly (readonly [RegExp, RegExp | string])[] = [
  [/^bun run demo .*--inspect/, /http:/],
  [/^bun run replay .*--inspect/, /http:/],
  [/^bun run ctl .*log (?:--follow$|-f)/, /FLUSH/],
  [/^bun run ctl log --follow ctx:3/, /./],
  [/^bun run ctl break type/, /paused for/],
  [/^bun run replay --from -/, /playing what/],
  [/^bun run replay session.rec --follow/, /following/],
  [/^curl -N .*device\.pftrace/, "device.pftrace"],
  [/^curl -N .*session\.rec/, "session.rec"],
];

/** Before a command: what its page takes for done. */
const before: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^bun run ctl trace start/, ["bun run server --inspect"]],
  [/^curl -N .*api\/trace/, ["bun run server --inspect=127.0.0.1:8088"]],
  [/^bun run ctl .*record start session/, ["bun run server --socket-path /tmp/gpu.sock"]],
  [
    /^bun run ctl .*record stop/,
    ["until bun run trace-info $(ls -t *.rec | head -1) | grep -qE '^frames +[0-9]{2}'; do :; done"],
  ],
  [/^bun run trace-trim session.rec --frame/, ["rm -f *.rec", "bun run demo --record session.rec"]],
];

/** What goes on while the next ones are typed in another shell. */
const held: readonly (readonly [RegExp, RegExp])[] = [[/^bun run ctl break errors/, /paused for/]];

/** What a page takes for running. */
const given: Readonly<Record<string, string>> = {
  "docs/bridge.md": "bun run server --resource-bridge /run/vm/bridge",
  "docs/control.md": "bun run server --inspect",
};

/** Where guests or a KVM are missing, what wants them is left out, but not in CI where there might be some. */
const hasGuests = missingParts().length === 0 || process.env["CI"] !== undefined;
const hasKvm = existsSync(kvmPath);
const canBe = (command: string): boolean =>
  (hasGuests || !/qemu-system|run-guest|^\.cache/.test(command)) &&
  (hasKvm || !/--kvm|build-kvm/.test(command));

const starts = /^(?:bun run server|systemd-socket-activate|\.cache\/renderer\/run bun)/;
const found = <T>(rules: readonly (readonly [RegExp, T])[], command: string): T | undefined =>
  rules.find(([pattern]) => pattern.test(command))?.[1];

async function type(shell: ReaderShell, command: string): Promise<void> {
  for (const other of found(before, command) ?? []) await type(shell, other);
  const shown = found(goesOn, command);
  if (/^(?:export|umask) /.test(command)) shell.remember(command);
  else if (starts.test(command)) await shell.serve(command);
  else if (/qemu-system-x86_64/.test(command)) await shell.runVmm(command);
  else if (/run-guest\.ts/.test(command)) await shell.runVmmToEnd(command);
  else if (typeof shown === "string") await shell.runUntilWritten(command, shown);
  else if (found(held, command) !== undefined) await shell.begin(command, found(held, command)!);
  else if (shown !== undefined) await shell.runUntil(command, shown);
  else if (measures.test(command)) readMeasurement(command);
  else if (command === "bun run ctl continue") await shell.release(command);
  else await shell.run(found(instead, command)?.(command) ?? command);
}

const isHere = (command: string): boolean => !elsewhere.some(([pattern]) => pattern.test(command));
const here = (document: string): string[] => commandsOf(document).filter(isHere);
/** The longest first: the others are read beside it. */
const pages = documents
  .filter((document) => here(document).length > 0)
  .toSorted((one, other) => here(other).length - here(one).length);

const weston = new Weston({ width: 1600, height: 1000 });
beforeAll(() => weston.start());
afterAll(() => weston.end());

const reading = atMost(availableParallelism());

async function read(page: string): Promise<void> {
  const shell = new ReaderShell(weston.path);
  try {
    const first = given[page];
    if (first !== undefined) await shell.serve(first);
    for (const command of here(page).filter(canBe)) await type(shell, command);
  } finally {
    await shell.end();
  }
}

test.concurrent.each(pages)(
  "the commands of %s do what they are said to",
  (page) => reading(() => read(page)),
  600_000,
);

test("what is not run, or run otherwise, is in a document, and is shown where it says", () => {
  const commands = documents.flatMap(commandsOf);
  const patterns = [
    ...[elsewhere, instead, goesOn, before, held].flat().map(([pattern]) => pattern),
    measures,
  ];
  expect(patterns.filter((pattern) => !commands.some((command) => pattern.test(command)))).toEqual([]);
  expect(Object.keys(given).filter((page) => !pages.includes(page))).toEqual([]);
  const shownIn = elsewhere.flatMap(([, , path]) => path ?? []);
  expect(shownIn.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("a document's commands are found, and what is none is not", () => {
  const text = "```sh\na b \\\n  c   # why\n\nd |\n  e '#1'\n# f\n```\n```ts\ng\n```\n```\nh\n```\n`i`\n";
  expect(commandsIn(text)).toEqual(["a b c", "d | e '#1'"]);
});
