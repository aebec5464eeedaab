// Memory of Vulkan contexts in a guest's window, as a driver of venus uses it: what a context answers is read there, and what it
// allocates is written there.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import { Reply, VenusCommand } from "../../src/transport/wire/venus/protocol.ts";
import { VenusStream } from "../../src/transport/wire/venus/stream.ts";
import {
  BlobFlag,
  BlobMem,
  Capset,
  Feature,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { limitTest } from "../support/limit-test.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { patient } from "./3d-support.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

const { server, withDevice } = serveTests("--renderer", "virgl", "--vulkan", "on");
const options = {
  ...patient,
  sharedMemoryBit: frontEnds.current.sharedMemoryBit,
  gpuFeatures: [Feature.VIRGL, Feature.EDID, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
  display: null,
};
const page = 4096;
const inContext = { contextId: 1 };

/** Makes a Vulkan context, with a blob to answer to whose id is the same, mapped at 0. */
function makeContext({ gpu }: SyntheticGuest): void {
  expectOk(gpu.createContext(1, "vulkan", Capset.VENUS));
  const blob = { resourceId: 1, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: page };
  expectOk(gpu.createBlob(blob, [], inContext));
  expectType(gpu.mapBlob(1, 0), Response.OK_MAP_INFO);
}

/** Nothing tells when another process writes to memory. */
function until(guest: SyntheticGuest, happened: () => boolean, what: string): void {
  for (const end = performance.now() + driverPatienceMs; !happened() && performance.now() < end;) {
    guest.pump.serve(2);
  }
  expect(happened(), what).toBe(true);
}

/** What is in no answer. */
const nothing = 0xffff_ffff;

/** Runs a stream that the context answers, and returns the answer's words as the guest sees them, up to the `last`. */
function answer(guest: SyntheticGuest, command: number, last: number, stream: VenusStream): Uint32Array {
  const { buffer, byteOffset } = guest.frontend.window!.view(0, page);
  const words = new Uint32Array(buffer, byteOffset, page / 4);
  words.fill(nothing);
  const bytes = new Uint8Array(stream.finish().buffer);
  expectOk(guest.gpu.submit3d(1, bytes, { fenceId: 1n, ringIndex: 0 }));
  const isWhole = (): boolean => words[Reply.command] === command && words[last] !== nothing;
  until(guest, isWhole, "the context's answer");
  return words.slice();
}

test("what a context answers is there in the window", () =>
  withDevice(options, (guest) => {
    makeContext(guest);
    const stream = new VenusStream().replyTo(1, page).enumerateInstanceVersion();
    const words = answer(guest, VenusCommand.vkEnumerateInstanceVersion, Reply.apiVersion, stream);
    expect(words[Reply.result]).toBe(0);
    expect(words[Reply.apiVersion]! >>> 22).toBe(1);
    expectOk(guest.gpu.unmapBlob(1));
    // It goes on answering there where nobody looks.
    expectWorking(guest);
    expect(guest.frontend.window!.violations).toEqual([]);
  }));

test("a device's memory is the guest's to write, wherever it is mapped", () =>
  withDevice(options, (guest) => {
    const { gpu } = guest;
    const window = guest.frontend.window!;
    makeContext(guest);
    const bytes = 2 ** 20;
    const stream = new VenusStream().replyTo(1, page).createInstance(11).enumeratePhysicalDevices(11, 12);
    stream.createDevice(12, 13).replyTo(1, page).allocateMemory(13, 20, bytes);
    const answered = answer(guest, VenusCommand.vkAllocateMemory, Reply.result, stream);
    expect(answered[Reply.result]).toBe(0);
    const blob = { resourceId: 2, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, blobId: 20, size: bytes };
    expectOk(gpu.createBlob(blob, [], inContext));
    for (const [round, offset] of [bytes, 5 * bytes, window.bytes - bytes].entries()) {
      expectType(gpu.mapBlob(2, offset), Response.OK_MAP_INFO);
      const seen = window.view(offset, bytes);
      // The driver's own header, where it has one, is not among it.
      for (const at of [0, bytes - 1]) {
        if (round > 0) expect(seen[at]).toBe(round);
        seen[at] = round + 1;
      }
      expectOk(gpu.unmapBlob(2));
      expect(window.view(offset, bytes)[0]).toBe(0);
    }
    expectOk(gpu.unrefResource(2));
    // The driver is as well as it was.
    const again = new VenusStream().replyTo(1, page).enumerateInstanceVersion();
    answer(guest, VenusCommand.vkEnumerateInstanceVersion, Reply.apiVersion, again);
    expect(window.violations).toEqual([]);
  }));

const narrow = serveTests("--renderer", "virgl", "--vulkan", "on", "--vulkan-bytes-max", "4G");

limitTest(
  "vulkanBytesMax",
  "memory beyond what a process may have is not allocated, and other contexts go on",
  () =>
    narrow.withDevice(options, (guest) => {
      makeContext(guest);
      const gib = 2 ** 30;
      const allocate = (memory: number, bytes: number, stream = new VenusStream()): number | undefined => {
        stream.replyTo(1, page).allocateMemory(13, memory, bytes);
        return answer(guest, VenusCommand.vkAllocateMemory, Reply.result, stream)[Reply.result];
      };
      const begun = new VenusStream().replyTo(1, page).createInstance(11).enumeratePhysicalDevices(11, 12);
      const results = [allocate(20, gib, begun.createDevice(12, 13))];
      while (results.at(-1) === 0 && results.length < 8) results.push(allocate(20 + results.length, gib));
      expect(results[0]).toBe(0);
      expect(results.length).toBeLessThanOrEqual(4);
      expect(allocate(40, page)).toBe(0);
      expectOk(guest.gpu.createContext(2, "other", Capset.VENUS));
      expectWorking(guest);
    }),
);

test("a context that goes takes its memory along, which is unmapped", () =>
  withDevice(options, (guest) => {
    const { gpu } = guest;
    const window = guest.frontend.window!;
    const mappings = (): number =>
      readFileSync(`/proc/${server().ctrlQueuePid}/maps`, "utf8").split("\n").length;
    const round = (): void => {
      makeContext(guest);
      expectOk(gpu.destroyContext(1));
      expectOk(gpu.unrefResource(1));
      until(guest, () => window.mapped.size === 0, "its end");
    };
    for (let count = 0; count < 3; count++) round();
    const { fds } = server().usage();
    const before = mappings();
    for (let count = 0; count < 5; count++) round();
    until(guest, () => server().usage().fds <= fds, "descriptors being closed");
    until(guest, () => mappings() <= before, "memory being unmapped");
    expect(window.violations).toEqual([]);
  }));
