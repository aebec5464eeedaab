// A process of an actor's that the host does not start: whoever wanted it is told, and nothing is left of it.
import { expect, test } from "bun:test";
import { compileAll } from "../../../../src/actors/machines/index.ts";
import { lineEnds } from "../../../../src/actors/runtime/lines/open.ts";
import { startChild } from "../../../../src/actors/runtime/process/child-process.ts";
import { closeFd, createEventfd } from "../../../../src/transport/os/fds.ts";
import { serverConfig } from "../../../support/fake-context.ts";
import { openFds } from "../../../support/fds.ts";

test("a process that does not start is one that has ended, with the reason", async () => {
  const words = { outside: 0, fd: createEventfd(), outer: 0, inner: 0 };
  const [ours, theirs] = lineEnds("rings");
  const before = openFds();
  const path = process.execPath;
  process.execPath = "/nonexistent/bun";
  const { promise: reason, resolve } = Promise.withResolvers<string>();
  try {
    const start = {
      config: serverConfig(),
      machines: compileAll(),
      ...{ words, tapsFd: -1, bellFds: {}, areaFds: {}, areaPlaces: {}, isChild: true },
      lines: [["supervisor", theirs] as ["supervisor", typeof theirs]],
    };
    startChild("ctrl-queue", start, { rung() {}, said() {}, ended: resolve });
  } finally {
    process.execPath = path;
  }

  expect(await reason).toStartWith("could not be started as a process: ENOENT");
  // Its end of the line, which was given away.
  expect(openFds()).toBe(before - 2);
  closeFd(words.fd);
  if (ours.kind === "rings") [ours.memoryFd, ours.socketFd].forEach(closeFd);
});
