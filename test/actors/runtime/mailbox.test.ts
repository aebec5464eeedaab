// What one drain of a mailbox takes.
import { afterAll, expect, test } from "bun:test";
import { lineEnds } from "../../../src/actors/runtime/lines/open.ts";
import { Mailbox } from "../../../src/actors/runtime/mailbox.ts";
import { SharedWords } from "../../../src/actors/runtime/shared-words.ts";
import { closeFd, createEventfd } from "../../../src/transport/os/fds.ts";

const words = SharedWords.create();
const names = ["display", "cursor-queue", "ctrl-queue"] as const;
const bells = Object.fromEntries(names.map((name) => [name, createEventfd()]));
afterAll(() => Object.values(bells).forEach(closeFd));

test.each(["port", "rings"] as const)(
  "who sends much over %s leaves others and their receiver a turn",
  (kind) => {
    const [display, cursorQueue, ctrlQueue] = names.map((name) => new Mailbox(name, words, bells)) as [
      Mailbox,
      Mailbox,
      Mailbox,
    ];
    const ends = [lineEnds(kind), lineEnds(kind)];
    ctrlQueue.link("display", ends[0]![0]);
    display.link("ctrl-queue", ends[0]![1]);
    cursorQueue.link("display", ends[1]![0]);
    display.link("cursor-queue", ends[1]![1]);
    const count = 10_000;
    for (let number = 0; number < count; number++)
      ctrlQueue.send("display", { type: "drop-surface", surface: number });
    cursorQueue.send("display", { type: "drop-surface", surface: -1 });

    const taken: number[] = [];
    const take = (message: unknown): void => void taken.push((message as { surface: number }).surface);
    display.drain(take);
    const first = taken.indexOf(-1);
    expect(first).toBeGreaterThan(100);
    expect(first).toBeLessThan(5000);
    while (taken.length <= count) {
      ctrlQueue.drain(() => {});
      expect(display.isRung()).toBe(true);
      display.drain(take);
    }

    expect(taken.filter((surface) => surface >= 0)).toEqual(
      Array.from({ length: count }, (_, number) => number),
    );
    for (const mailbox of [display, cursorQueue, ctrlQueue]) mailbox.leave();
  },
);
