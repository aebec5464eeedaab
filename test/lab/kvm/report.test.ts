// What a guest may say in its report page, which is anything.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { GuestMemory } from "../../../lab/driver/guest-memory.ts";
import { Address, ReportPage } from "../../../lab/kvm/layout.ts";
import { Report } from "../../../lab/kvm/report.ts";

const size = 2 ** 16;
let memory: GuestMemory;
let report: Report;

beforeEach(() => {
  memory = new GuestMemory([{ guestAddress: 0, size }]);
  report = new Report(memory.regions[0]!.fd);
});
afterEach(() => memory.free());

function write(offset: number, ...words: number[]): void {
  const view = new DataView(memory.regions[0]!.buffer);
  words.forEach((word, index) => view.setUint32(offset + 4 * index, word, true));
}

function claimSamples(address: number, count: number): void {
  write(Address.report + ReportPage.samplesAddress, address, count);
}

test("samples are those that the guest claims", () => {
  write(0x8000, 1, 2, 3);
  claimSamples(0x8000, 3);
  expect([...report.samples()]).toEqual([1, 2, 3]);
});

test("samples beyond the memory are none", () => {
  write(size - 8, 4, 5);
  claimSamples(size - 8, 0xffff_ffff);
  expect([...report.samples()]).toEqual([4, 5]);
  claimSamples(0xffff_fff0, 0xffff_ffff);
  expect([...report.samples()]).toEqual([]);
});

test("a place where it gave up moves no terminal's cursor, and need not end", () => {
  const [ram] = memory.regions;
  const file = new TextEncoder().encode("\u001b[2J\n".padEnd(ReportPage.failedFileBytes, "x"));
  new Uint8Array(ram!.buffer).set(file, Address.report + ReportPage.failedFile);
  expect(report.failure()).toBe(
    `?[2J?${"x".repeat(ReportPage.failedFileBytes - 5)} line 0 did not expect 0x0`,
  );
});
