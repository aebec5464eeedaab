// What the tap keeps of messages, sleep and names, and its clock.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { MonotonicClock } from "../../../src/transport/os/monotonic-clock.ts";
import { TestTap } from "../../support/tap.ts";

let seen: TestTap;
beforeEach(() => (seen = new TestTap()));
afterEach(() => seen.close());

test("its clock is the host's, and the same in every thread", async () => {
  const clock = new MonotonicClock();
  const before =
    Number(
      await Bun.file("/proc/uptime")
        .text()
        .then((text) => text.split(" ")[0]),
    ) * 1e9;
  const now = clock.now();
  clock.close();
  // Not counted in /proc/uptime: nothing; in the clock: no time of a suspended host.
  expect(Math.abs(now - before)).toBeLessThan(60e9);
});

test("a message is told with its name, number and fields", () => {
  seen.tap.sent(3, 17, "flush", { type: "flush", scanout: 2, x: 0.5, on: true, text: "abc" });
  const [sent] = seen.take("sent");
  const [slot, number, name, fields, ...rest] = sent!.words;
  expect([slot, number, seen.name(name!), fields]).toEqual([3, 17, "flush", 4]);
  expect(seen.name(rest[0]! & 0xffff)).toBe("scanout");
  expect(new Float64Array(Uint32Array.from(rest.slice(4, 6)).buffer)[0]).toBe(0.5);
});

test("how many messages were taken from another is known also while nobody reads", () => {
  seen.switch(false);
  seen.tap.received(4, 99, "done");
  expect(seen.take()).toEqual([]);
  expect(seen.tap.takenFrom(4)).toBe(99);
});

test("names beyond the table's end share its last entry", () => {
  for (let name = 0; name < 300; name++) seen.tap.received(1, name, `message-${name}`);
  const names = seen.take("received").map(({ words }) => seen.name(words[2]!));
  expect(names[5]).toBe("message-5");
  expect(names.length).toBe(300);
});
