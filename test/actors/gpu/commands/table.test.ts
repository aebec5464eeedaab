// The commands' table: every row is whole, and what it says of lengths and features is held.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CtrlQueue } from "../../../../src/actors/gpu/ctrl-queue.ts";
import { commandName, commandTable } from "../../../../src/actors/gpu/commands/table.ts";
import { isKeptRequest } from "../../../../src/actors/gpu/journal/kept-commands.ts";
import { request } from "../../../../lab/driver/commands.ts";
import { Command, Header, Response } from "../../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../../support/fake-context.ts";
import { QueueBench } from "../../../support/queue-bench.ts";

/** Without a row: those of the cursor queue. */
const others = ["UPDATE_CURSOR", "MOVE_CURSOR"];

describe("the table", () => {
  test("has one row for every command of the ctrl queue, by its name and number", () => {
    const rows: string[] = commandTable.map(({ name }) => name);
    expect(new Set(rows).size).toBe(rows.length);
    const missing = Object.keys(Command).filter((name) => !rows.includes(name) && !others.includes(name));
    expect(missing, "give it a row, or name it among the others").toEqual([]);
    const found = others.filter((name) => rows.includes(name));
    expect(found, "take it from the list of others: it has a row now").toEqual([]);
    for (const { name, type } of commandTable) expect(type).toBe(Command[name]);
  });

  test("asks for a header at least", () => {
    for (const { bytes } of commandTable) expect(bytes).toBeGreaterThanOrEqual(Header.bytes);
  });

  test("asks for as much of what a successor has to have as the journal does", () => {
    const kept = commandTable.filter(({ isKept }) => isKept);
    expect(kept.map(({ name }) => name)).toContain("RESOURCE_CREATE_2D");
    for (const { type, bytes } of kept) {
      expect(isKeptRequest(type, bytes)).toBe(true);
      expect(isKeptRequest(type, bytes - 4)).toBe(false);
    }
  });

  test("names commands for people, and numbers those that there are not", () => {
    expect(commandName(Command.SUBMIT_3D)).toBe("SUBMIT_3D");
    expect(commandName(0x1ff)).toBe("command 0x1ff");
    expect(commandName(0)).toBe("command 0x0");
    expect(commandName(0xffff_ffff)).toBe("command 0xffffffff");
  });
});

describe("a request", () => {
  let bench: QueueBench;
  beforeEach(() => {
    const context = new FakeContext("ctrl-queue", serverConfig("--renderer", "software"));
    bench = new QueueBench(context, new CtrlQueue(context));
  });
  afterEach(() => bench.close());

  for (const { name, type, bytes } of commandTable) {
    test(`${name} that is shorter than its row says returns ERR_UNSPEC`, () => {
      for (const length of [Header.bytes, bytes - 4]) {
        if (length < bytes && length >= Header.bytes) {
          expect(bench.command(request(type, length)).type).toBe(Response.ERR_UNSPEC);
        }
      }
    });
  }

  test("of a feature that the driver has not returns ERR_UNSPEC", () => {
    const ofFeatures = commandTable.filter(({ feature }) => feature !== null);
    expect(ofFeatures.map(({ name }) => name)).toContain("SUBMIT_3D");
    for (const { type, bytes } of ofFeatures) {
      expect(bench.command(request(type, bytes)).type).toBe(Response.ERR_UNSPEC);
    }
  });

  test("of a number that is nobody's returns ERR_UNSPEC", () => {
    for (const type of [0, 0xff, 0x100 - 1, 0x1ff, 0x2ff, 0x300, 0x1100, 0xffff_ffff]) {
      expect(bench.command(request(type, 256)).type).toBe(Response.ERR_UNSPEC);
    }
  });
});
