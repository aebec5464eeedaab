// Both wire forms of the resource bridge, byte by byte: what crosvm writes is read, and what it reads is written.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { form2019 } from "../../../../src/transport/wire/bridge/form-2019.ts";
import { jsonForm } from "../../../../src/transport/wire/bridge/json-form.ts";
import { wireFormOf } from "../../../../src/transport/wire/bridge/forms.ts";
import { type BridgeAnswer, type BridgeRequest } from "../../../../src/transport/wire/bridge/protocol.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (packet: Uint8Array): string => new TextDecoder().decode(packet);
const uuid = "0f1e2d3c-4b5a-4687-8796-a5b4c3d2e1f0";
const u64Max = 2n ** 64n - 1n;
/** DRM_FORMAT_MOD_INVALID, one of AMD's, one of NVIDIA's, and what a double cannot tell apart. */
const modifiers = [
  0n,
  2n ** 53n,
  2n ** 53n + 1n,
  0x00ff_ffff_ffff_ffffn,
  0x0200_0000_1866_bf04n,
  0x0300_0000_00e0_8014n,
  u64Max - 1n,
  u64Max,
];

describe("the form of 2019", () => {
  test("a request is a zero and the id, least significant byte first", () => {
    const packet = Uint8Array.of(0, 0x78, 0x56, 0x34, 0xf2);
    const request: BridgeRequest = { kind: "buffer", resource: 0xf234_5678 };
    expect(form2019.decodeRequest(packet)).toEqual(request);
    expect(form2019.encodeRequest(request)).toEqual(packet);
  });

  test("an answer is one byte", () => {
    const planes = [{ offset: 4, stride: 16 }];
    expect(form2019.encodeAnswer({ kind: "buffer", planes, modifier: 1n })).toEqual(Uint8Array.of(0));
    expect(form2019.encodeAnswer({ kind: "invalid" })).toEqual(Uint8Array.of(1));
    expect(form2019.decodeAnswer(Uint8Array.of(0), 1)).toEqual({
      kind: "buffer",
      planes: null,
      modifier: null,
    });
    expect(form2019.decodeAnswer(Uint8Array.of(1), 0)).toEqual({ kind: "invalid" });
  });

  test("what has another length, another number or no descriptor is none", () => {
    for (const packet of [[], [0], [0, 1, 0, 0], [0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]) {
      expect(form2019.decodeRequest(Uint8Array.from(packet))).toBeNull();
    }
    expect(form2019.decodeAnswer(Uint8Array.of(0), 0)).toBeNull();
    expect(form2019.decodeAnswer(Uint8Array.of(2), 1)).toBeNull();
    expect(form2019.decodeAnswer(Uint8Array.of(0, 0), 1)).toBeNull();
  });

  test("neither a fence nor a UUID can be asked for", () => {
    expect(() => form2019.encodeRequest({ kind: "buffer", resource: uuid })).toThrow(RangeError);
    expect(() => form2019.encodeRequest({ kind: "fence", seqno: 1n })).toThrow(RangeError);
  });
});

describe("the form of today", () => {
  test("a request is the document that serde writes", () => {
    for (const [document, request] of [
      ['{"GetBuffer":{"id":7}}', { kind: "buffer", resource: 7 }],
      ['{"GetBuffer":{"id":4294967295}}', { kind: "buffer", resource: 0xffff_ffff }],
      [`{"GetBuffer":{"uuid":"${uuid}"}}`, { kind: "buffer", resource: uuid }],
      ['{"GetFence":{"seqno":9}}', { kind: "fence", seqno: 9n }],
      ['{"GetFence":{"seqno":18446744073709551615}}', { kind: "fence", seqno: u64Max }],
      ['{"GetFence":{"seqno":9007199254740993}}', { kind: "fence", seqno: 2n ** 53n + 1n }],
    ] as [string, BridgeRequest][]) {
      expect(jsonForm.decodeRequest(bytes(document))).toEqual(request);
      expect(text(jsonForm.encodeRequest(request))).toBe(document);
    }
  });

  test("space between the parts of a document, and fields that are not known, change nothing", () => {
    const document = '{ "GetBuffer" :\n{ "id" : 7 , "why" : [null, -1.5e3, "ü"] } }';
    expect(jsonForm.decodeRequest(bytes(document))).toEqual({ kind: "buffer", resource: 7 });
  });

  test("a UUID may be written without dashes and in large letters; an id beside it counts", () => {
    const written = uuid.replaceAll("-", "").toUpperCase();
    const decoded = jsonForm.decodeRequest(bytes(`{"GetBuffer":{"uuid":"${written}"}}`));
    expect(decoded).toEqual({ kind: "buffer", resource: uuid });
    const both = jsonForm.decodeRequest(bytes(`{"GetBuffer":{"uuid":"${uuid}","id":7}}`));
    expect(both).toEqual({ kind: "buffer", resource: 7 });
  });

  test("what serde would refuse is no request", () => {
    for (const document of [
      "",
      "null",
      "7",
      '"GetBuffer"',
      "[]",
      "{}",
      "{",
      '{"GetBuffer":{}}',
      '{"GetBuffer":7}',
      '{"GetBuffer":null}',
      '{"GetBuffer":{"uuid":7}}',
      '{"GetBuffer":{"uuid":"7"}}',
      `{"GetBuffer":{"uuid":"${uuid} "}}`,
      `{"GetBuffer":{"uuid":["${uuid}"]}}`,
      '{"GetBuffer":{"id":-1}}',
      '{"GetBuffer":{"id":1.0}}',
      '{"GetBuffer":{"id":1e3}}',
      '{"GetBuffer":{"id":"7"}}',
      '{"GetBuffer":{"id":4294967296}}',
      '{"GetBuffer":{"id":7}} x',
      '{"GetBuffer":{"id":07}}',
      '{"GetBuffer":{"id":7},"GetFence":{"seqno":9}}',
      '{"getBuffer":{"id":7}}',
      '{"__proto__":{"id":7}}',
      '{"GetBuffer":{"__proto__":{"id":7}}}',
      '{"GetFence":{"seqno":18446744073709551616}}',
      '{"GetFence":{"seqno":-9}}',
      `{"GetFence":{"seqno":${"9".repeat(4000)}}}`,
      "[".repeat(4096),
    ]) {
      expect(jsonForm.decodeRequest(bytes(document))).toBeNull();
    }
    expect(jsonForm.decodeRequest(Uint8Array.of(...bytes('{"GetBuffer":{"id":7'), 0xff))).toBeNull();
    expect(jsonForm.decodeRequest(bytes('\u{feff}{"GetBuffer":{"id":7}}'))).toBeNull();
  });

  test("a buffer is told with four planes and an exact modifier", () => {
    for (const modifier of modifiers) {
      const planes = [
        { offset: 0, stride: 5120 },
        { offset: 4_096_000, stride: 2560 },
      ];
      const packet = jsonForm.encodeAnswer({ kind: "buffer", planes, modifier });
      expect(text(packet)).toBe(
        '{"Resource":{"Buffer":{"handle":0,"planes":[{"offset":0,"stride":5120},{"offset":4096000,"stride":2560},' +
          `{"offset":0,"stride":0},{"offset":0,"stride":0}],"modifier":${modifier},"guest_cpu_mappable":false}}}`,
      );
      expect(jsonForm.decodeAnswer(packet, 1)).toEqual({ kind: "buffer", planes, modifier });
    }
  });

  test("a fence and a refusal", () => {
    expect(text(jsonForm.encodeAnswer({ kind: "fence" }))).toBe('{"Resource":{"Fence":{"handle":0}}}');
    expect(text(jsonForm.encodeAnswer({ kind: "invalid" }))).toBe('"Invalid"');
    expect(jsonForm.decodeAnswer(bytes('{"Resource":{"Fence":{"handle":0}}}'), 1)).toEqual({ kind: "fence" });
    expect(jsonForm.decodeAnswer(bytes('"Invalid"'), 0)).toEqual({ kind: "invalid" });
  });

  test("an answer without its descriptor, or with other planes, is none", () => {
    const planes = (count: number): string => Array(count).fill('{"offset":0,"stride":4}').join();
    const buffer = (list: string, handle = 0): Uint8Array =>
      bytes(`{"Resource":{"Buffer":{"handle":${handle},"planes":[${list}],"modifier":0}}}`);
    expect(jsonForm.decodeAnswer(buffer(planes(4)), 1)?.kind).toBe("buffer");
    expect(jsonForm.decodeAnswer(buffer(planes(4)), 0)).toBeNull();
    expect(jsonForm.decodeAnswer(buffer(planes(4), 1), 1)).toBeNull();
    expect(jsonForm.decodeAnswer(buffer(planes(3)), 1)).toBeNull();
    expect(jsonForm.decodeAnswer(buffer(`${planes(3)},7`), 1)).toBeNull();
    expect(jsonForm.decodeAnswer(bytes('{"Resource":"Invalid"}'), 1)).toBeNull();
  });
});

describe("any packet", () => {
  const json = fc.json().map(bytes);
  const packet = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 64 }), json);

  test("is of one form by its first byte", () => {
    for (let first = 0; first < 256; first++) {
      expect(wireFormOf(Uint8Array.of(first, 0x7b)).name).toBe(first < 0x20 ? "2019" : "json");
    }
  });

  test("is a request or none, and never throws", () => {
    fc.assert(
      fc.property(packet, (content) => {
        const form = wireFormOf(content);
        const request = form.decodeRequest(content);
        // What was read can be written, and is read again as the same.
        if (request !== null) expect(form.decodeRequest(form.encodeRequest(request))).toEqual(request);
      }),
      { numRuns: 5_000 },
    );
  });

  test("is an answer or none, and never throws", () => {
    fc.assert(
      fc.property(packet, fc.nat(2), (content, fds) => {
        for (const form of [form2019, jsonForm]) {
          const answer = form.decodeAnswer(content, fds);
          if (answer !== null && answer.kind !== "invalid") expect(fds).toBeGreaterThan(0);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("that is written is read as what it was", () => {
    const u32 = fc.nat(0xffff_ffff);
    const u64 = fc.bigInt({ min: 0n, max: u64Max });
    const request: fc.Arbitrary<BridgeRequest> = fc.oneof(
      u32.map((resource) => ({ kind: "buffer" as const, resource })),
      u64.map((seqno) => ({ kind: "fence" as const, seqno })),
    );
    const plane = fc.record({ offset: u32, stride: fc.integer({ min: 1, max: 0xffff_ffff }) });
    const answer: fc.Arbitrary<BridgeAnswer> = fc
      .tuple(fc.array(plane, { minLength: 1, maxLength: 4 }), u64)
      .map(([planes, modifier]) => ({ kind: "buffer" as const, planes, modifier }));
    fc.assert(
      fc.property(request, answer, (asked, told) => {
        const packets = [jsonForm.encodeRequest(asked), jsonForm.encodeAnswer(told)] as const;
        expect(jsonForm.decodeRequest(packets[0])).toEqual(asked);
        expect(jsonForm.decodeAnswer(packets[1], 1)).toEqual(told);
        if (asked.kind === "buffer") {
          expect(form2019.decodeRequest(form2019.encodeRequest(asked))).toEqual(asked);
        }
      }),
    );
  });
});
