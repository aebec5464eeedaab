// A recording of version 1, as the first Fencepost that could record wrote it: it has to open for ever.

import { expect, test } from "bun:test";
import { recordingFrom } from "../../../src/transport/wire/record/reader.ts";

const file = Buffer.from(
  [
    "RkVOQ0VQT1NULVJFQwABAEZQQ2sAAAAA9AAAACsBAAA7SNmOAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAP57dMUotS",
    "/9YCsAVQcAok81LYC5ORwjiBEX2God0RGCkGmkDwdg/07JP4m0R2TvJBIlHA6EaALuopgYccVPUs+M8HlWk7ev2e3B87xUGc0W2sPXdcS+XZH4",
    "RxkhioKZePjEhVQDwAT8F6XJYeIfJXzE1XPkymmf1vxebTfpHXZL0tv75rYV4NvRt3Usi8vII24hgTdYsXy3R5DcBR4v1UaFRBPhuLiBi5OfJ8",
    "tLteFIAgyOiz8gqElUwxhgNFOvQq9TEBnmGx9DKGefg1AaRVWzBebwn7lQpaq6wHxl/IlhMH8zRqaHBwBrSwkwGMgC8oHMVnJzDpMMRlBDawAA",
    "AACsAAAALgEAAPstNUIGAAAAAQAAAAEAAAAAAAAAAADwPwAAAAAAACRAAQAAAAEAAAAAAAAAtLwW1ii1L/1gLgAVBQDiCBsikKmZA/+3FocbyM",
    "nK2OJrgV4W153Ntx/bx9LgrJc2EbllCksZKUESRXFKBq+xx4FoJL4U3NUBczfecQF/leB+LFPjnh4I7uty5cK8xhAtQMxh4gUn+MAFDvDMa+zh",
    "iRaHWkaiIK850NOwiAgWAHjfGBpwVXzwhp+yVtwBF34c3tgBTAF+DjzUaJZLfo6yMnCX2c8BwWggNgijgFF2AFBGUENrAQAAAJkAAABDAQAArQ",
    "TwBgcAAAAAAAAAAAAAAAAAAAAAABxAAAAAAAAAREABAAAAAgAAAAAAAADgQPiwKLUv/WBDAH0EAMQFiqVraW5kc8QHEBESExQVFqV0aW1lc8Qc",
    "AAEAAACnbGVuZ3RoEKFhxBwDAAAABQChYsQcAQAAAAAFAAAA/////2PEHAIAAAACoWTEHAChZWYApmJvZGllc8QgAQkXAKATuA5BPYAZlIEgDP",
    "U4BRIg304KIKCVCXyQD7gxcAZWBFGAOMAAPNi5m1Tsq8EYRlBDawAAAACEAAAAygAAAEG54moDAAAAAAAAAAAAAAAAAAAAAAAsQAAAAAAAAElA",
    "AQAAAAMAAAAAAAAA5oKGbCi1L/0gyt0DAMJGGSGQOR3/sxAtwHzc66hVYCC7SHiLfuQvMzMTg93QnnLw1RT5RnFRnOzjG+Wfp61OrCm+4SKqOW",
    "pBt8g4Igji6Vc25RTPhIIQsm0wQXnK7ILdmWwXbA9sW3l6xlrpEBAAniZbjSQJCABAFtAd6BjoxMyOgISkRuEAykZQQ2sDAAAAwgAAADQBAADd",
    "O7NxAAAAAAAAAAAAAAAAAAAAAAAAMUAAAAAAAIBRQAEAAAAEAAAAAAAAACzVnWootS/9YDQAxQUARAiCp29mZnNldHPEIAAwQEB0gIFIiEClaG",
    "VhZHPFAQBGUENrAAAAAPQAAAArAQAAO0jZjgH+e3TFrAAAAC4BAAD7LTVCBgEAAPA/JEC0vBbWRlBDawEAAACZAAAAQwEAAK0E8AYHHABEAuBA",
    "+LAAAAAAhAAAAMoAAABBueJqAyxJA+aChmwWACAFtAMuCwYAluDYEKLxzCA5Bj3Vjp28tYwEmV2a/xAI+slBTkGiug8MvDJY5XALkgAAAAAAaI",
    "5ARlBJeB/NYxI=",
  ].join(""),
  "base64",
);

test("a recording of version 1 tells what was written to it", () => {
  const recording = recordingFrom(
    (at, length) => new Uint8Array(file.subarray(at, at + length)),
    file.length,
  );
  expect(recording.version).toBe(1);
  expect(recording.start).toMatchObject({ server: "0.1.0", wallMs: 1795958400000, isFromStart: true });
  expect(recording.start.outputs).toEqual([{ width: 640, height: 480 }]);
  expect(recording.ending).toEqual({ reason: "stopped", text: "as asked" });
  expect(recording.chunks.map(({ isKeyframe }) => isKeyframe)).toEqual([false, false, true, false]);
  const all = [...recording.entries()];
  expect(all.map(({ number }) => number)).toEqual(all.map((_, index) => index));
  // What is not msgpack.
  const [begin, ...told] = all.filter(({ kind }) => kind !== "missing" && kind !== "end");
  expect(begin!.kind).toBe("start");
  expect(told.map(({ body, ...entry }) => ({ ...entry, body: body.toHex(), number: undefined }))).toEqual([
    { time: 10, kind: "memory", body: "00000040000000000000000001000000" },
    { time: 20, kind: "ring", queue: 0, running: 1, features: 3, num: 256, body: "" },
    { time: 30, kind: "command", queue: 0, id: 1, room: 24, body: "0101000009080706" },
    {
      time: 31,
      kind: "bytes",
      resource: 5,
      offsetLow: 4096,
      offsetHigh: 0,
      rowBytes: 8,
      stride: 64,
      body: "07".repeat(16),
    },
    { time: 32, kind: "answer", queue: 0, id: 1, type: 0x1100, body: "" },
    { time: 33, kind: "frame", scanouts: 1, resource: 5, x: 1, y: 2, width: 3, height: 4, body: "01020304" },
    { time: 40, kind: "keyframe", features: 3, contexts: 1, rendered: 2, body: "" },
    { time: 40, kind: "resource", id: 5, format: 1, width: 2, height: 2, flags: 2, body: "" },
    { time: 40, kind: "backing", resource: 5, body: "01".repeat(16) },
    { time: 40, kind: "pixels", resource: 5, row: 0, rows: 2, body: "09".repeat(16) },
    { time: 40, kind: "scanout", scanout: 0, resource: 5, x: 0, y: 0, width: 2, height: 2, body: "" },
    { time: 40, kind: "cursor", scanout: 0, x: 0xffff_ffff, y: 2, hotX: 1, hotY: 1, visible: 1, body: "" },
    { time: 41, kind: "keyframeEnd", body: "" },
    { time: 60, kind: "reset", queue: 0, body: "" },
  ] as never);
});
