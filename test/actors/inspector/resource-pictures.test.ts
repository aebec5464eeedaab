// What resources look like, one after the other.

import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { ResourcePictures } from "../../../src/actors/inspector/resource-pictures.ts";
import { createMemfd } from "../../../src/transport/os/fds.ts";
import { FakeContext } from "../../support/fake-context.ts";

test("one that cannot be mapped keeps nobody from seeing the others", async () => {
  const context = new FakeContext("inspector");
  const pictures = new ResourcePictures(context);
  /** The ctrl queue's answer to the next question. */
  const answer = async (fd: number): Promise<void> => {
    for (let turn = 0; turn < 100; turn++) {
      await Promise.resolve();
      for (const question of context.take("ctrl-queue")) {
        if (question.type !== "ask-picture") throw new Error(question.type);
        const place = { width: 2, height: 2, error: "" };
        context.deliver(
          { receive: () => undefined },
          { type: "picture", token: question.token, fd, ...place },
        );
        return;
      }
    }
    throw new Error("nothing was asked");
  };
  try {
    // More often than looks may wait.
    for (let times = 0; times < 20; times++) {
      const failing = pictures.of(7);
      await answer(openSync("/proc/self/mem", "r"));
      expect((await failing).error).toContain("not as long as it says");
    }
    const shown = pictures.of(8);
    await answer(createMemfd("picture", 16));
    expect((await shown).png?.subarray(1, 4)).toEqual(new Uint8Array(Buffer.from("PNG")));
  } finally {
    context.close();
  }
});
