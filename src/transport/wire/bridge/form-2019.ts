// The resource bridge as crosvm had it in 2019: a request of five bytes, an answer of one, with or without a descriptor.

import type { WireForm } from "./protocol.ts";

const getResource = 0;
const requestBytes = 5;
const AnswerByte = { resource: 0, invalid: 1 } as const;

export const form2019: WireForm = {
  name: "2019",

  encodeRequest(request) {
    if (request.kind !== "buffer") throw new RangeError("only today's form can ask for a fence");
    if (typeof request.resource === "string") throw new RangeError("only today's form can ask by a UUID");
    const packet = new Uint8Array(requestBytes);
    packet[0] = getResource;
    new DataView(packet.buffer).setUint32(1, request.resource, true);
    return packet;
  },

  decodeRequest(packet) {
    if (packet.length !== requestBytes || packet[0] !== getResource) return null;
    const resource = new DataView(packet.buffer, packet.byteOffset).getUint32(1, true);
    return { kind: "buffer", resource };
  },

  encodeAnswer: ({ kind }) => Uint8Array.of(kind === "invalid" ? AnswerByte.invalid : AnswerByte.resource),

  decodeAnswer(packet, fds) {
    if (packet.length !== 1) return null;
    if (packet[0] === AnswerByte.invalid) return { kind: "invalid" };
    if (packet[0] !== AnswerByte.resource || fds === 0) return null;
    return { kind: "buffer", planes: null, modifier: null };
  },
};
