// The registers of a virtio-mmio device, as drivers use them and as they should not (virtio 1.3 §4.2.2, §2.1, §3.1.1).

import { beforeEach, expect, test } from "bun:test";
import { type MmioDevice, MmioRegisters, type QueueSetup } from "../../../lab/kvm/mmio-registers.ts";

const offered = (1n << 32n) | (1n << 29n) | 2n;
let registers: MmioRegisters;
let calls: string[];
let reasons: number;
let started: { features: bigint; queues: QueueSetup[] } | null;
let accepts: boolean;

beforeEach(() => {
  calls = [];
  reasons = 0;
  started = null;
  accepts = true;
  const device: MmioDevice = {
    features: offered,
    queueSizesMax: [256, 16],
    configGeneration: 3,
    readConfig: (offset) => 100 + offset,
    writeConfig: (offset, bytes) => void calls.push(`config ${offset} ${[...bytes].join(" ")}`),
    start: (features, queues) => {
      started = { features, queues: queues.map((queue) => ({ ...queue })) };
      return accepts;
    },
    reset: () => void calls.push("reset"),
    notify: (queue) => void calls.push(`notify ${queue}`),
    takeReasons: () => {
      const taken = reasons;
      reasons = 0;
      return taken;
    },
  };
  registers = new MmioRegisters(device);
});

const write = (offset: number, value: number): void => registers.write(offset, value, 4);

function negotiate(features: bigint): void {
  for (const status of [0, 1, 3]) write(0x70, status);
  for (const word of [0, 1, 2, 3]) {
    write(0x24, word);
    write(0x20, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
  }
  write(0x70, 11);
}

test("it is a modern GPU by its first registers", () => {
  expect([0, 4, 8].map((offset) => registers.read(offset))).toEqual([0x74726976, 2, 16]);
});

test("features are read by words, and there are none beyond the last", () => {
  const words = [0, 1, 2, 3, 4, 0xffff_ffff].map((word) => {
    write(0x14, word);
    return registers.read(0x10);
  });
  expect(words).toEqual([0x2000_0002, 1, 0, 0, 0, 0]);
});

test("FEATURES_OK is there when what was taken was offered", () => {
  negotiate(offered);
  expect(registers.read(0x70)).toBe(11);
});

test("FEATURES_OK is not there when more was taken", () => {
  negotiate(offered | (1n << 65n));
  expect(registers.read(0x70)).toBe(3);
});

test("DRIVER_OK starts the device with features and queues", () => {
  negotiate(1n << 32n);
  for (const [queue, size] of [
    [0, 64],
    [1, 8],
  ] as const) {
    write(0x30, queue);
    write(0x38, size);
    [0x80, 0x90, 0xa0].forEach((offset, part) => {
      write(offset, 0x1000 * (part + 1));
      write(offset + 4, queue);
    });
    write(0x44, 1);
    expect(registers.read(0x44)).toBe(1);
  }
  write(0x70, 15);
  expect(started).toEqual({
    features: 1n << 32n,
    queues: [64, 8].map((size, queue) => {
      const [descriptors, avail, used] = [0x1000, 0x2000, 0x3000].map((low) => low + queue * 2 ** 32);
      return { size, descriptors, avail, used, ready: true } as QueueSetup;
    }),
  });
  expect(registers.read(0x70)).toBe(15);
});

test("a device that cannot start says that it needs a reset, which it then gets", () => {
  accepts = false;
  negotiate(1n << 32n);
  write(0x70, 15);
  expect(registers.read(0x70)).toBe(15 | 0x40);
  write(0x70, 0);
  expect(registers.read(0x70)).toBe(0);
  expect(calls).toEqual(["reset"]);
});

test("a device whose features were refused does not start", () => {
  negotiate(offered | (1n << 65n));
  write(0x70, 15);
  expect(started).toBeNull();
  expect(registers.read(0x70)).toBe(0x47);
});

test("features stay what they were when they were agreed on", () => {
  negotiate(offered);
  write(0x24, 2);
  write(0x20, 2);
  write(0x70, 15);
  expect(started!.features).toBe(offered);
});

test("a device that runs is reset, and starts again, whatever the driver made of DRIVER_OK", () => {
  negotiate(offered);
  write(0x70, 15);
  write(0x70, 11);
  write(0x70, 0);
  expect(calls).toEqual(["reset"]);
  negotiate(offered);
  write(0x70, 15);
  expect(registers.read(0x70)).toBe(15);
});

test("queues that are not there have no room and no state", () => {
  write(0x30, 1);
  expect(registers.read(0x34)).toBe(16);
  write(0x30, 2);
  expect([0x34, 0x44].map((offset) => registers.read(offset))).toEqual([0, 0]);
  write(0x80, 5);
  write(0x44, 1);
  expect(registers.read(0x44)).toBe(0);
});

test("a reason to interrupt is there until it is acknowledged", () => {
  reasons = 1;
  expect([registers.read(0x60), registers.read(0x60)]).toEqual([1, 1]);
  reasons = 2;
  write(0x64, 1);
  expect(registers.read(0x60)).toBe(2);
  write(0x64, 2);
  expect(registers.read(0x60)).toBe(0);
});

test("the config space is read in words and written as wide as the driver does", () => {
  expect([registers.read(0xfc), registers.read(0x108)]).toEqual([3, 108]);
  registers.write(0x104, 0x1234, 2);
  expect(calls).toEqual(["config 4 52 18"]);
});

test("a kick without a doorbell is passed on, and unknown registers do nothing", () => {
  write(0x50, 1);
  write(0x74, 9);
  expect(calls).toEqual(["notify 1"]);
  expect(registers.read(0x74)).toBe(0);
});
