// `bun run trace-info`: what it says of a recording, and of what is none.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Start } from "../../src/transport/wire/record/details.ts";
import { EntryKind } from "../../src/transport/wire/record/entries.ts";
import { RecordingWriter } from "../../src/transport/wire/record/writer.ts";
import { Command, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { runProgram } from "../support/run-program.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-trace-"));
afterAll(() => rmSync(directory, { recursive: true }));

const start: Start = {
  server: "1.2.3",
  wallMs: 0,
  monotonicNs: 0,
  isFromStart: true,
  hasChecksums: false,
  features: 0,
  renderer: {},
  storage: "memfd",
  outputs: [],
  limits: {},
  notRecorded: ["mapped memory"],
};

function record(): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new RecordingWriter((bytes) => void parts.push(bytes.slice()), start);
  const types = [Command.RESOURCE_FLUSH, Command.RESOURCE_FLUSH, Command.RESOURCE_CREATE_2D, 0xdead];
  types.forEach((type, id) => {
    const request = writer.add(EntryKind.command, id * 1e9, [0, id + 1, 24], 24);
    new DataView(request.buffer, request.byteOffset).setUint32(0, type, true);
    const answer = type === 0xdead ? Response.ERR_UNSPEC : Response.OK_NODATA;
    writer.add(EntryKind.answer, id * 1e9, [0, id + 1, answer], 0);
  });
  writer.addDetails("missing", 3.5e9, { what: "a keyframe" });
  writer.add(EntryKind.frame, 4e9, [1, 5, 0, 0, 1, 1], 0);
  writer.end(5e9, { reason: "stopped", text: "as asked" });
  return Buffer.concat(parts);
}

function traceInfo(...args: string[]): { code: number; out: string; error: string } {
  return runProgram("trace-info", ...args);
}

test("tells commands by type, frames, errors, the length and the end of a recording", () => {
  const path = join(directory, "recording");
  writeFileSync(path, record());
  expect(JSON.parse(traceInfo(path, "--json").out)).toEqual({
    server: "1.2.3",
    began: "1970-01-01T00:00:00.000Z",
    seconds: 5,
    entries: 12,
    commands: 4,
    frames: 1,
    keyframes: 0,
    errors: 1,
    resources: 1,
    contexts: 0,
    bytes: expect.any(Number),
    bytesPerSecond: expect.any(Number),
    ending: "stopped: as asked",
    commandsByType: { RESOURCE_FLUSH: 2, RESOURCE_CREATE_2D: 1, "command 0xdead": 1 },
    notRecorded: ["mapped memory", "from 3.5 s on: a keyframe"],
  });
  expect(traceInfo(path).out).toContain("2 RESOURCE_FLUSH");
});

test("says in one line what is no recording", () => {
  const path = join(directory, "recording");
  writeFileSync(path, "something else");
  expect(traceInfo(path)).toMatchObject({ code: 1, error: "trace-info: this is no recording\n" });
  expect(traceInfo(`${path}.absent`)).toMatchObject({
    ...{ code: 1, error: `trace-info: there is no file ${path}.absent\n` },
  });
  expect(traceInfo().code).toBe(2);
});
