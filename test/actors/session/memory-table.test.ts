// The regions that a front-end shared, and its own addresses in guest-physical terms.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { MemoryTable } from "../../../src/actors/session/memory-table.ts";
import { closeFd, createEventfd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { ProtocolError } from "../../../src/transport/wire/vhost-user/protocol-error.ts";
import type { Region } from "../../../src/transport/wire/vhost-user/requests.ts";
import { openFds } from "../../support/fds.ts";

let table: MemoryTable;
beforeEach(() => {
  table = new MemoryTable();
});
afterEach(() => table.clear());

const region = (guestAddress: number, size: number, userAddress: number, fdOffset = 0): Region => ({
  guestAddress,
  size,
  userAddress,
  fdOffset,
});
const add = (one: Region): void => table.add(one, createEventfd());
const closeAll = (regions: { fd: number }[]): void => regions.forEach(({ fd }) => closeFd(fd));

test("front-end addresses become guest-physical ones, to the last byte of each region", () => {
  add(region(0x1000, 0x100, 0x7000));
  add(region(0, 0x100, 0x8000));

  expect(table.guestAddressOf(0x7000, "x")).toBe(0x1000);
  expect(table.guestAddressOf(0x70ff, "x")).toBe(0x10ff);
  expect(table.guestAddressOf(0x80ff, "x")).toBe(0xff);
});

test("an address in no region is named", () => {
  add(region(0x1000, 0x100, 0x7000));

  for (const address of [0, 0x6fff, 0x7100, 0x1000]) {
    expect(() => table.guestAddressOf(address, "the used ring")).toThrow(
      `the used ring at front-end address 0x${address.toString(16)} lies in no memory region`,
    );
  }
});

test("regions without a size or that wrap are refused, and their descriptors are closed with the table", () => {
  const max = Number.MAX_SAFE_INTEGER;
  for (const bad of [
    region(0, 0, 0),
    region(max, 1, 0),
    region(0, 1, max),
    region(0, 1, 0, max),
    region(1, max, 0),
  ]) {
    expect(() => add(bad)).toThrow(ProtocolError);
  }
});

test("a region is removed by its addresses and size, not by its offset", () => {
  const before = openFds();
  add(region(0x1000, 0x100, 0x7000, 5));
  for (const other of [
    region(0x1001, 0x100, 0x7000),
    region(0x1000, 0x101, 0x7000),
    region(0x1000, 0x100, 0x7001),
  ]) {
    expect(() => table.remove(other)).toThrow(ProtocolError);
  }
  table.remove(region(0x1000, 0x100, 0x7000, 99));

  expect(openFds()).toBe(before);
  expect(table.forActor(new Set(), duplicateFd)).toEqual([]);
});

test("of two equal regions one removal takes one", () => {
  add(region(0, 1, 1));
  add(region(0, 1, 1));
  table.remove(region(0, 1, 1));

  const left = table.forActor(new Set(), duplicateFd);
  expect(left).toHaveLength(1);
  closeAll(left);
});

test("an actor gets descriptors for what it does not have, and each region's id stays", () => {
  const known = new Set<number>();
  add(region(0, 1, 1));
  const first = table.forActor(known, duplicateFd);
  add(region(2, 1, 3));
  const second = table.forActor(known, duplicateFd);

  expect(first.map(({ fd }) => fd >= 0)).toEqual([true]);
  expect(second.map(({ fd }) => fd >= 0)).toEqual([false, true]);
  expect(second[0]!.id).toBe(first[0]!.id);
  expect([...known]).toEqual(second.map(({ id }) => id));
  closeAll([...first, ...second]);
});

test("what is gone is no longer known, and ids are never used twice", () => {
  const known = new Set<number>();
  add(region(0, 1, 1));
  const [first] = table.forActor(known, duplicateFd);
  table.clear();
  expect(table.forActor(known, duplicateFd)).toEqual([]);
  expect(known.size).toBe(0);
  add(region(0, 1, 1));
  const [second] = table.forActor(known, duplicateFd);

  expect(second!.id).not.toBe(first!.id);
  expect(second!.fd).toBeGreaterThanOrEqual(0);
  closeAll([first!, second!]);
});
