// One vring's set-up: which values it takes when, and whose its descriptors are.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { compileAll } from "../../../src/actors/machines/index.ts";
import { Lifecycle } from "../../../src/actors/machines/lifecycle.ts";
import { Vring } from "../../../src/actors/session/vring.ts";
import type { VringAddresses } from "../../../src/transport/wire/vhost-user/requests.ts";
import { createEventfd } from "../../../src/transport/os/fds.ts";
import { openFds } from "../../support/fds.ts";

const machine = compileAll().vring;
const addresses: VringAddresses = { logsUsed: false, desc: 0x1000, avail: 0x2000, used: 0x3000, log: 0 };

let vring: Vring;
beforeEach(() => {
  vring = new Vring(1, new Lifecycle(machine), 32_768);
});
afterEach(() => vring.close());

function start(): void {
  vring.setNum(64);
  vring.setAddresses(addresses);
  vring.replaceFd("kickFd", createEventfd());
  vring.take("SET_KICK");
}

test("entries are a power of two up to 32768", () => {
  for (const num of [1, 2, 64, 32768]) {
    vring.setNum(num);
    expect(vring.num).toBe(num);
  }
  for (const num of [0, 3, 63, 65536, 0x8000_0000, 0xffff_ffff]) {
    expect(() => vring.setNum(num)).toThrow(`vring 1 cannot have ${num} entries`);
  }
  expect(vring.num).toBe(32768);
});

test("a base is a 16-bit index", () => {
  vring.setBase(0xffff);
  expect(vring.base).toBe(0xffff);
  expect(() => vring.setBase(0x10000)).toThrow("vring 1 cannot start at index 65536");
  expect(vring.base).toBe(0xffff);
});

test("it starts once it is whole", () => {
  expect(vring.isStarted).toBe(false);
  expect(() => vring.take("SET_KICK")).toThrow("SET_KICK is not allowed while vring 1 is empty");
  start();
  expect(vring.isStarted).toBe(true);
  expect(vring.isEnabled).toBe(false);
  vring.take("ENABLE");
  expect(vring.isEnabled).toBe(true);
});

test("while it runs only what is logged may change", () => {
  start();
  for (const move of [{ desc: 1 }, { avail: 1 }, { used: 1 }]) {
    expect(() => vring.setAddresses({ ...addresses, ...move })).toThrow(
      "vring 1 cannot be moved while it runs",
    );
  }
  expect(() => vring.setNum(128)).toThrow("vring 1 cannot have another size while it runs");
  vring.setNum(64);
  expect(vring.num).toBe(64);
  expect(() => vring.setBase(0)).toThrow("SET_BASE is not allowed");
  expect(vring.base).toBe(0);
  vring.setAddresses({ ...addresses, logsUsed: true, log: 0x9000 });
  expect(vring.usedLog).toBe(0x9000);
});

test("descriptors are closed when they are replaced", () => {
  const before = openFds();
  vring.replaceFd("callFd", createEventfd());
  vring.replaceFd("callFd", createEventfd());
  expect(openFds()).toBe(before + 1);
});

test("a reset forgets everything, in any state", () => {
  for (let round = 0; round < 3; round++) {
    start();
    vring.setAddresses({ ...addresses, logsUsed: true });
    if (round > 0) vring.take("ENABLE");
    if (round > 1) vring.take("GET_BASE");
    vring.reset();

    expect([vring.isStarted, vring.isEnabled, vring.num, vring.base, vring.usedLog]).toEqual([
      false,
      false,
      0,
      0,
      -1,
    ]);
    expect([vring.kickFd, vring.callFd, vring.errFd]).toEqual([-1, -1, -1]);
  }
});
