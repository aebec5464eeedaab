// Requests and answers over a ring whose device answers each request by its own first bytes.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CommandPipeline } from "../../lab/driver/command-pipeline.ts";
import { CommandQueue, untouched } from "../../lab/driver/command-queue.ts";
import * as commands from "../../lab/driver/commands.ts";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { DeviceTimeout, Pump } from "../../lab/driver/pump.ts";
import { EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import { EchoDevice } from "./echo-device.ts";

let memory: GuestMemory;
let pump: Pump;
let ring: DriverRing;
let queue: CommandQueue;
let device: EchoDevice;
let running: boolean;

beforeEach(() => {
  memory = new GuestMemory();
  pump = new Pump(100);
  ring = new DriverRing(memory, { size: 16, eventIdx: false });
  queue = new CommandQueue(ring, memory, pump);
  device = new EchoDevice(memory, ring);
  running = true;
  pump.epoll.add(ring.kickFd, EPOLLIN | EPOLLET, () => {
    if (running && device.serve() > 0) device.call();
  });
});

afterEach(() => {
  queue.close();
  pump.close();
  memory.free();
});

describe("CommandQueue", () => {
  test("an answer's header is taken apart", () => {
    const request = commands.request(0x1100, 24, { fenceId: 2n ** 63n, contextId: 7, ringIndex: 5 });
    expect(queue.call(request)).toMatchObject({
      length: 24,
      type: 0x1100,
      flags: 3,
      fenceId: 2n ** 63n,
      contextId: 7,
      ringIndex: 5,
    });
  });

  test("what the device leaves alone keeps its mark", () => {
    const result = queue.call(Uint8Array.of(1, 2, 3, 4), { responseBytes: 8 });
    expect([...result.bytes]).toEqual([1, 2, 3, 4, untouched, untouched, untouched, untouched]);
    expect(result).toMatchObject({ length: 4, type: 0 });
  });

  test("an interrupt is asked for anew after answers that came before it could", () => {
    const eventful = new DriverRing(memory, { size: 16, eventIdx: true });
    const patient = new CommandQueue(eventful, memory, pump);
    const echo = new EchoDevice(memory, eventful);
    const early = patient.submit(Uint8Array.of(1), { responseBytes: 1 });
    const late = patient.submit(Uint8Array.of(2), { responseBytes: 1, hold: true });
    const enableCall = eventful.enableCall.bind(eventful);
    eventful.enableCall = () => {
      // Used too early for an interrupt, and too late for the last look.
      if (!early.done) echo.serve();
      return enableCall();
    };
    const wait = pump.epoll.wait.bind(pump.epoll);
    const wakeUps: number[] = [];
    pump.epoll.wait = (timeoutMs) => {
      patient.commit();
      echo.serve();
      const usedEvent = eventful.avail.halfwords[2 + eventful.size]!;
      if (usedEvent === 1) echo.call();
      wakeUps.push(wait(timeoutMs));
      return wakeUps.at(-1)!;
    };
    patient.waitAll();
    expect(late.done).toBe(true);
    expect(wakeUps).toEqual([1]);
    patient.close();
  });

  test("pieces become descriptors that do not touch", () => {
    queue.call(Uint8Array.from({ length: 24 }), { requestPieces: [1, 0, 23], responsePieces: [4, 20] });
    const { readable, writable } = device.seen[0]!;
    expect(readable.map(({ length }) => length)).toEqual([1, 0, 23]);
    expect(writable.map(({ length }) => length)).toEqual([4, 20]);
    const ranges = [...readable, ...writable];
    for (const [at, range] of ranges.slice(1).entries()) {
      expect(range.address).not.toBe(ranges[at]!.address + ranges[at]!.length);
    }
  });

  test("submitting waits for room", () => {
    const sent = Array.from({ length: 100 }, (_, at) =>
      queue.submit(commands.getDisplayInfo({ fenceId: BigInt(at) }), { responseBytes: 24 }),
    );
    queue.waitAll();
    expect(sent.every(({ result }, at) => result.fenceId === BigInt(at))).toBe(true);
  });

  test("buffers are used again, so memory does not run out", () => {
    const large = new Uint8Array(mebibyte);
    for (let round = 0; round < 200; round++) queue.call(large, { responseBytes: 24 });
  });

  test("held commands go out with one kick", () => {
    const held = [1n, 2n, 3n].map((fenceId) =>
      queue.submit(commands.request(0x1100, 24, { fenceId }), { hold: true }),
    );
    expect(ring.kicks).toBe(0);
    queue.commit();
    queue.waitAll();
    expect(ring.kicks).toBe(1);
    expect(held.map(({ result }) => result.fenceId)).toEqual([1n, 2n, 3n]);
  });

  test("a device that does not answer is a timeout that names the command", () => {
    running = false;
    expect(() => queue.call(commands.getDisplayInfo())).toThrow(DeviceTimeout);
    expect(() => queue.call(commands.getDisplayInfo())).toThrow("0x100");
  });

  test("a chain longer than the ring is refused", () => {
    const pieces = Array.from({ length: 24 }, () => 1);
    expect(() => queue.call(commands.getDisplayInfo(), { requestPieces: pieces })).toThrow(RangeError);
  });
});

describe("CommandPipeline", () => {
  for (const [depth, spins] of [
    [1, 0],
    [8, 0],
    [8, 100],
  ] as const) {
    test(`runs exactly as many commands as told, ${depth} at a time, ${spins} spins`, () => {
      const pipeline = new CommandPipeline(ring, memory, pump, {
        depth,
        requestBytes: 24,
        responseBytes: 24,
        spins,
        commandsPerCall: 4,
      });
      pipeline.fill(commands.getDisplayInfo());
      const slots = new Set<number>();
      const samples = new Float64Array(333);
      pipeline.run(333, (slot) => slots.add(slot), samples);
      expect(device.seen.length).toBe(333);
      expect(slots.size).toBe(depth);
      expect(samples.every((ns) => ns > 0)).toBe(true);
      expect(pipeline.responses[0]!.words[0]).toBe(0x100);
      pipeline.release();
      expect(ring.free).toBe(16);
    });
  }

  test("a ring too short for the depth is refused", () => {
    const options = { depth: 9, requestBytes: 24, responseBytes: 24 };
    expect(() => new CommandPipeline(ring, memory, pump, options)).toThrow("too short");
  });
});

const mebibyte = 2 ** 20;
