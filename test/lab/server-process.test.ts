// The harness's child process, and how it ends.

import { expect, test } from "bun:test";
import { ServerProcess } from "../../lab/vmm/server-process.ts";

test("a server that a signal ends before it listens is not waited for", async () => {
  const started = performance.now();
  const command = ["sh", "-c", "kill -KILL $$", "sh"];
  let error = "";
  await ServerProcess.start({ command }).catch((caught: Error) => (error = caught.message));

  expect(error).toStartWith("the server ended with code 137:");
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("a server that ends by itself before it listens is told with its code and log", async () => {
  const command = ["sh", "-c", "echo sorry; exit 7", "sh"];
  let error = "";
  await ServerProcess.start({ command }).catch((caught: Error) => (error = caught.message));

  expect(error).toBe("the server ended with code 7:\nsorry\n");
});
