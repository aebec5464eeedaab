// UUIDs as text and as bytes.

import { expect, test } from "bun:test";
import { parseUuid, readUuid, uuidBytes, writeUuid } from "../../../src/transport/wire/uuid.ts";

const uuid = "0f1e2d3c-4b5a-4687-8796-a5b4c3d2e1f0";

test("the bytes lie in the order of the text, and are read back", () => {
  const bytes = new Uint8Array(uuidBytes);
  writeUuid(uuid, bytes);
  expect([...bytes.subarray(0, 4), bytes[15]]).toEqual([0x0f, 0x1e, 0x2d, 0x3c, 0xf0]);
  expect(readUuid(bytes)).toBe(uuid);
});

test("text is taken with and without its dashes, in letters of any size, and nothing else is", () => {
  for (const text of [uuid, uuid.toUpperCase(), uuid.replaceAll("-", "")]) expect(parseUuid(text)).toBe(uuid);
  for (const text of ["", "7", uuid.slice(1), `${uuid}0`, `{${uuid}}`, uuid.replace("f", "g"), `${uuid}\n`]) {
    expect(parseUuid(text), text).toBeNull();
  }
});
