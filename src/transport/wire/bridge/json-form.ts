// The resource bridge as crosvm has it today: one JSON document a packet, as Rust's serde writes enums and structs.
// Where a struct has a descriptor, the document has its index among those that came with the packet.

import { parseUuid } from "../uuid.ts";
import { parseExact, stringifyExact } from "./exact-json.ts";
import type { BridgeAnswer, BridgeRequest, Plane, WireForm } from "./protocol.ts";

/** Every buffer has so many planes; those that it does not use are zero. */
const planesMax = 4;
const u32Max = 0xffff_ffffn;
const u64Max = 0xffff_ffff_ffff_ffffn;

export const jsonForm: WireForm = {
  name: "json",

  encodeRequest: (request) =>
    encode(
      request.kind === "buffer"
        ? { GetBuffer: bufferFields(request.resource) }
        : { GetFence: { seqno: request.seqno } },
    ),

  decodeRequest(packet) {
    const [name, fields] = variantOf(decode(packet)) ?? [];
    if (name === "GetBuffer") return bufferRequest(integerOf(fields, "id", u32Max) ?? uuidOf(fields));
    if (name === "GetFence") return fenceRequest(integerOf(fields, "seqno", u64Max));
    return null;
  },

  encodeAnswer(answer) {
    switch (answer.kind) {
      case "invalid":
        return encode("Invalid");
      case "fence":
        return encode({ Resource: { Fence: { handle: 0 } } });
      case "buffer": {
        const planes = Array.from({ length: planesMax }, (_, index) => {
          const { offset, stride } = answer.planes?.[index] ?? { offset: 0, stride: 0 };
          return { offset, stride };
        });
        // The guest can map blobs alone, and there are none.
        const rest = { modifier: answer.modifier ?? 0n, guest_cpu_mappable: false };
        return encode({ Resource: { Buffer: { handle: 0, planes, ...rest } } });
      }
    }
  },

  decodeAnswer(packet, fds) {
    const document = decode(packet);
    if (document === "Invalid") return { kind: "invalid" };
    const [answer, resource] = variantOf(document) ?? [];
    const [kind, fields] = variantOf(resource) ?? [];
    if (answer !== "Resource" || fds === 0 || integerOf(fields, "handle", u32Max) !== 0n) return null;
    if (kind === "Fence") return { kind: "fence" };
    return kind === "Buffer" ? bufferAnswer(fields) : null;
  },
};

const bufferFields = (resource: number | string): object =>
  typeof resource === "string" ? { uuid: resource } : { id: resource };

const bufferRequest = (id: bigint | string | null): BridgeRequest | null =>
  id === null ? null : { kind: "buffer", resource: typeof id === "bigint" ? Number(id) : id };

const fenceRequest = (seqno: bigint | null): BridgeRequest | null =>
  seqno === null ? null : { kind: "fence", seqno };

function bufferAnswer(fields: unknown): BridgeAnswer | null {
  const modifier = integerOf(fields, "modifier", u64Max);
  const listed = (fields as { planes?: unknown }).planes;
  if (modifier === null || !Array.isArray(listed) || listed.length !== planesMax) return null;
  const planes: Plane[] = [];
  for (const plane of listed as unknown[]) {
    const offset = integerOf(plane, "offset", u32Max);
    const stride = integerOf(plane, "stride", u32Max);
    if (offset === null || stride === null) return null;
    // Those that are not used come last.
    if (stride > 0n) planes.push({ offset: Number(offset), stride: Number(stride) });
  }
  return { kind: "buffer", planes, modifier };
}

const encode = (document: unknown): Uint8Array => new TextEncoder().encode(stringifyExact(document));

/** The document, or null for what is none. */
function decode(packet: Uint8Array): unknown {
  try {
    return parseExact(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(packet));
  } catch (error) {
    // No UTF-8, no JSON, or nested too deep.
    if (error instanceof TypeError || error instanceof SyntaxError || error instanceof RangeError)
      return null;
    throw error;
  }
}

/** The name and the fields of an enum's variant that has any. */
function variantOf(value: unknown): [string, unknown] | null {
  if (!isObject(value)) return null;
  const entries = Object.entries(value);
  return entries.length === 1 ? entries[0]! : null;
}

function integerOf(fields: unknown, name: string, max: bigint): bigint | null {
  if (!isObject(fields) || !Object.hasOwn(fields, name)) return null;
  const value = fields[name];
  return typeof value === "bigint" && value <= max ? value : null;
}

/** Of a request that has both, the id counts: that is what peers sent before there were UUIDs. */
function uuidOf(fields: unknown): string | null {
  if (!isObject(fields) || !Object.hasOwn(fields, "uuid")) return null;
  return typeof fields["uuid"] === "string" ? parseUuid(fields["uuid"]) : null;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
