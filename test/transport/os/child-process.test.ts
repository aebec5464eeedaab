// Programs that an actor starts: what they are given, what they are not, and how they end.

import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { asPointer, libc, RLIMIT_CORE, RLIMIT_NOFILE } from "../../../src/ffi/libc.ts";
import { ChildProcess, type Program } from "../../../src/transport/os/child-process.ts";
import { Epoll, EPOLLIN } from "../../../src/transport/os/epoll.ts";
import { closeFd, createPipe } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { driverPatienceMs } from "../../support/patience.ts";

let child: ChildProcess | null = null;
afterEach(() => {
  child?.close();
  child = null;
});

const shell = (script: string, more: Partial<Program> = {}): ChildProcess =>
  (child = ChildProcess.start({
    path: "/bin/sh",
    arguments: ["-c", script],
    descriptors: [],
    limits: [],
    ...more,
  }));

/** Waits until it has ended. */
function untilEnd(process: ChildProcess): void {
  const epoll = new Epoll();
  epoll.add(process.endFd, EPOLLIN, () => {});
  expect(epoll.wait(driverPatienceMs)).toBe(1);
  epoll.close();
}

/** What a script prints until it ends. */
function outputOf(script: string, more: Partial<Program> = {}): string {
  const [reader, writer] = createPipe(65536);
  const process = shell(script, { descriptors: [writer, writer], ...more });
  closeFd(writer);
  untilEnd(process);
  const memory = NativeMemory.allocate(65536);
  const count = libc.read(reader, asPointer(memory.address), 65536);
  const text = new TextDecoder().decode(new Uint8Array(memory.view(0, Math.max(0, count))).slice());
  memory.unmap();
  closeFd(reader);
  return text;
}

describe("a program", () => {
  test("gets its arguments, this environment, and no descriptor but its own", () => {
    expect(outputOf('echo "$0 $HOME"; ls /proc/$$/fd; readlink /proc/$$/fd/0').split("\n")).toEqual([
      `/bin/sh ${process.env["HOME"] ?? ""}`,
      "0",
      "1",
      "2",
      "/dev/null",
      "",
    ]);
  });

  test("gets another environment where one is named", () => {
    expect(outputOf('echo "$ONE $HOME"', { environment: { ONE: "1=2" } })).toBe("1=2 \n");
  });

  test("leads a group of its own", () => {
    const [pid, group] = outputOf("echo $$; cut -d' ' -f5 /proc/$$/stat").split("\n");
    expect(group).toBe(pid!);
  });

  test("runs under limits that are set while it starts", () => {
    const limits = [[RLIMIT_CORE, 0] as const, [RLIMIT_NOFILE, 77] as const];
    const process = shell("while :; do sleep 1; done", { limits });
    const text = readFileSync(`/proc/${process.pid}/limits`, "utf8");
    expect(text).toMatch(/Max open files +77 +77/);
    expect(text).toMatch(/Max core file size +0 +0/);
  });

  test("that ends is seen to, and leaves nothing behind", () => {
    const process = shell("exit 3");
    untilEnd(process);
    expect(process.hasEnded()).toBe(true);
    expect(process.hasEnded()).toBe(true);
    expect(existsSync(`/proc/${process.pid}`)).toBe(false);
  });

  test("is ended with those that it has started", () => {
    const [reader, writer] = createPipe(65536);
    const process = shell("sleep 1000 & echo $!; wait", { descriptors: [writer] });
    closeFd(writer);
    const memory = NativeMemory.allocate(64);
    const count = libc.read(reader, asPointer(memory.address), 64);
    const grandchild = Number(new TextDecoder().decode(new Uint8Array(memory.view(0, count)).slice()));
    expect(process.hasEnded()).toBe(false);
    process.close();
    child = null;
    // The pipe's end: nobody is left who could write to it.
    expect(libc.read(reader, asPointer(memory.address), 64)).toBe(0);
    memory.unmap();
    closeFd(reader);
    expect(grandchild).toBeGreaterThan(1);
  });

  test("that is not there is a refusal", () => {
    expect(() => shell("", { path: "/nowhere/program" })).toThrow("starting /nowhere/program");
  });
});
