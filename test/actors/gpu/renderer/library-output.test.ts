// What native code prints through C's streams goes to the log, and nowhere else.

import { dlopen } from "bun:ffi";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { LibraryOutput } from "../../../../src/actors/gpu/renderer/library-output.ts";
import { missingPackages } from "../../../../src/actors/gpu/renderer/gl-libraries.ts";
import { cString } from "../../../../src/ffi/libc.ts";
import { FakeContext } from "../../../support/fake-context.ts";
import { mayLeave } from "../../../support/leaks.ts";

// Libraries keep the streams, so the pipe stays.
mayLeave(/^descriptor of pipe$/);

/** Writes to stderr or stdout as a library does. */
const { symbols: c } = dlopen("libc.so.6", {
  perror: { args: ["ptr"], returns: "void" },
  puts: { args: ["ptr"], returns: "i32" },
});

let context: FakeContext;
let output: LibraryOutput;
beforeEach(() => {
  context = new FakeContext("ctrl-queue");
  output = new LibraryOutput(context.epoll, context.log);
});
afterEach(() => {
  output.close();
  context.close();
});

const said = (): string[] => context.logged.map(({ text }) => text);
const origin = "the renderer's libraries say: ";

describe("what libraries print", () => {
  test("is told line by line, with its origin", () => {
    c.perror(cString("one"));
    c.puts(cString("two"));
    context.epoll.wait(0);
    expect(said()[0]).toStartWith(`${origin}one: `);
    expect(said()[1]).toBe(`${origin}two`);
    expect(context.logged.map(({ level }) => level)).toEqual(["warning", "warning"]);
  });

  test("acts on no terminal", () => {
    c.puts(cString("a\x1b[2Jb\rc\u009bd\u202ee"));
    context.epoll.wait(0);
    expect(said()).toEqual([`${origin}a\\x1b[2Jb\\x0dc\\x9bd\\u{202e}e`]);
  });

  test("is cut where a line is long", () => {
    c.puts(cString("x".repeat(700)));
    context.epoll.wait(0);
    expect(said().map((line) => line.length - origin.length)).toEqual([240, 240, 220]);
  });

  test("is limited, and never waited for", () => {
    for (let line = 0; line < 100_000; line++) c.puts(cString("the same again"));
    while (context.epoll.wait(0) > 0);
    expect(said().length).toBeLessThanOrEqual(20);
    c.puts(cString("more"));
    context.epoll.wait(0);
  });

  test("is taken in bounded parts", () => {
    for (let line = 0; line < 3000; line++) c.puts(cString("0123456789"));
    expect(context.epoll.wait(0)).toBe(1);
    expect(context.epoll.wait(0)).toBe(1);
    while (context.epoll.wait(0) > 0);
  });
});

describe("GL's libraries", () => {
  const missing = (...there: string[]): string[] => missingPackages((library) => there.includes(library));

  test("are not missing where each of the two is there, by whichever name", () => {
    expect(missing("libEGL.so.1", "libOpenGL.so.0")).toEqual([]);
    expect(missing("libEGL.so.1", "libGL.so.1")).toEqual([]);
  });

  test("are named by their packages where they are missing", () => {
    expect(missing("libGL.so.1")).toEqual(["libegl1"]);
    expect(missing("libEGL.so.1")).toEqual(["libopengl0"]);
    expect(missing()).toEqual(["libegl1", "libopengl0"]);
  });
});
