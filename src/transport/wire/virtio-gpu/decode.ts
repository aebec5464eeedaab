// A request's bytes as people read them: every field by its name, flags and formats by theirs (virtio 1.3 §5.7.6.7).

import {
  AttachBacking,
  Command,
  CreateBlob,
  CtxCreate,
  CtxResource,
  Cursor,
  DetachBacking,
  formatName,
  GetCapset,
  GetCapsetInfo,
  GetEdid,
  Header,
  HeaderFlag,
  MapBlob,
  MemoryEntry,
  OfResource,
  ResourceCreate2d,
  ResourceCreate3d,
  ResourceFlush,
  ResourceUnref,
  Response,
  SetScanout,
  SetScanoutBlob,
  Submit3d,
  Transfer3d,
  TransferToHost2d,
} from "./protocol.ts";

/** A field as JSON can have it: 64-bit ids that a number cannot hold are hexadecimal, as "0x…". */
export type FieldValue = number | string;

export interface DecodedRequest {
  /** As the specification has it, without VIRTIO_GPU_CMD_; of one that there is not, its number. */
  name: string;
  /** Of the header: "FENCE", "INFO_RING_IDX", and what else is set as a number. */
  flags: string[];
  /** The fields of the header that mean something here, then the command's own, in their order. */
  fields: Record<string, FieldValue>;
  /** Names of fields that lie beyond the bytes that were given. */
  missing: string[];
}

/** How the fields of a command are read that are no plain u32. */
const wide: ReadonlySet<string> = new Set(["offset", "blobId", "size64", "address"]);

type Layout = Readonly<Record<string, number>>;

/** Where each field lies; those of {@link wide} take 64 bits. */
const layouts: Readonly<Record<keyof typeof Command, Layout>> = {
  GET_DISPLAY_INFO: {},
  RESOURCE_CREATE_2D: ResourceCreate2d,
  RESOURCE_UNREF: ResourceUnref,
  SET_SCANOUT: SetScanout,
  RESOURCE_FLUSH: ResourceFlush,
  TRANSFER_TO_HOST_2D: TransferToHost2d,
  RESOURCE_ATTACH_BACKING: AttachBacking,
  RESOURCE_DETACH_BACKING: DetachBacking,
  GET_CAPSET_INFO: GetCapsetInfo,
  GET_CAPSET: GetCapset,
  GET_EDID: GetEdid,
  RESOURCE_ASSIGN_UUID: OfResource,
  RESOURCE_CREATE_BLOB: renamed(CreateBlob, "size", "size64"),
  SET_SCANOUT_BLOB: withPlanes(SetScanoutBlob),
  CTX_CREATE: {
    nameLength: CtxCreate.nameLength,
    contextInit: CtxCreate.contextInit,
    bytes: CtxCreate.bytes,
  },
  CTX_DESTROY: {},
  CTX_ATTACH_RESOURCE: CtxResource,
  CTX_DETACH_RESOURCE: CtxResource,
  RESOURCE_CREATE_3D: ResourceCreate3d,
  TRANSFER_TO_HOST_3D: Transfer3d,
  TRANSFER_FROM_HOST_3D: Transfer3d,
  SUBMIT_3D: Submit3d,
  RESOURCE_MAP_BLOB: MapBlob,
  RESOURCE_UNMAP_BLOB: OfResource,
  UPDATE_CURSOR: Cursor,
  MOVE_CURSOR: Cursor,
};

const names: ReadonlyMap<number, keyof typeof Command> = new Map(
  Object.entries(Command).map(([name, type]) => [type, name as keyof typeof Command]),
);
const responses: ReadonlyMap<number, string> = new Map(
  Object.entries(Response).map(([name, type]) => [type, name]),
);

/** A command's name, or the number of one that there is not. */
export const requestName = (type: number): string => names.get(type) ?? `command 0x${type.toString(16)}`;

/** Where a command of that type has a field that is a plain u32, in bytes; -1 where it has none of that name. */
export function fieldAt(type: number, field: string): number {
  if (field === "contextId") return Header.contextId;
  const name = names.get(type);
  return (name === undefined ? undefined : layouts[name][field]) ?? -1;
}

/** Where a command of that type names its resource, in bytes; -1 where it names none. */
export const resourceIdAt = (type: number): number => fieldAt(type, "resourceId");

/** A response's name, likewise. */
export const responseName = (type: number): string =>
  responses.get(type) ?? `response 0x${type.toString(16)}`;

/** Decodes what there is of a request, which may be only its beginning, or make no sense. */
export function decodeRequest(bytes: Uint8Array): DecodedRequest {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number | null => (at + 4 <= bytes.length ? view.getUint32(at, true) : null);
  const type = u32(Header.type);
  const decoded: DecodedRequest = {
    name: type === null ? "nothing" : requestName(type),
    flags: flagNames(u32(Header.flags) ?? 0),
    fields: {},
    missing: [],
  };
  const put = (name: string, at: number, width: 4 | 8): void => {
    if (at + width > bytes.length) decoded.missing.push(name);
    else decoded.fields[name] = width === 4 ? u32(at)! : u64(view, at);
  };
  const flags = u32(Header.flags) ?? 0;
  if ((flags & HeaderFlag.FENCE) !== 0) put("fenceId", Header.fenceId, 8);
  put("contextId", Header.contextId, 4);
  if ((flags & HeaderFlag.INFO_RING_IDX) !== 0 && bytes.length > Header.ringIndex)
    decoded.fields["ringIndex"] = bytes[Header.ringIndex]!;
  const known = type === null ? undefined : names.get(type);
  if (known === undefined) return decoded;
  for (const [name, at] of Object.entries(layouts[known])) {
    if (name !== "bytes") put(name === "size64" ? "size" : name, at, wide.has(name) ? 8 : 4);
  }
  addSpecials(decoded, known, bytes, view);
  return decoded;
}

/** What is more than a number: formats, names, entries. */
function addSpecials(decoded: DecodedRequest, known: string, bytes: Uint8Array, view: DataView): void {
  const { fields } = decoded;
  if (typeof fields["format"] === "number")
    fields["format"] = formatName(fields["format"]) ?? fields["format"];
  if (known === "CTX_CREATE" && typeof fields["nameLength"] === "number") {
    const end = CtxCreate.name + Math.min(fields["nameLength"], CtxCreate.nameBytesMax);
    fields["name"] = new TextDecoder().decode(bytes.subarray(CtxCreate.name, end)).replace(/\0.*$/s, "");
  }
  const first = known === "RESOURCE_CREATE_BLOB" ? CreateBlob.bytes : AttachBacking.bytes;
  if (typeof fields["entryCount"] !== "number") return;
  for (let entry = 0; entry < fields["entryCount"]; entry++) {
    const at = first + entry * MemoryEntry.bytes;
    if (at + MemoryEntry.bytes > bytes.length) {
      decoded.missing.push(`entries from ${entry} on`);
      break;
    }
    fields[`address${entry}`] = u64(view, at + MemoryEntry.address);
    fields[`length${entry}`] = view.getUint32(at + MemoryEntry.length, true);
  }
}

function flagNames(flags: number): string[] {
  const named = Object.entries(HeaderFlag).filter(([, bit]) => (flags & bit) !== 0);
  const rest = named.reduce((left, [, bit]) => left & ~bit, flags) >>> 0;
  return [...named.map(([name]) => name), ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])];
}

function u64(view: DataView, at: number): FieldValue {
  const [low, high] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
  if (high < 0x20_0000) return high * 2 ** 32 + low;
  return `0x${high.toString(16)}${low.toString(16).padStart(8, "0")}`;
}

function renamed(layout: Layout, from: string, to: string): Layout {
  return Object.fromEntries(Object.entries(layout).map(([name, at]) => [name === from ? to : name, at]));
}

function withPlanes({ stride, offset, ...rest }: typeof SetScanoutBlob): Layout {
  const planes = [0, 1, 2, 3].flatMap((plane) => [
    [`stride${plane}`, stride + plane * 4],
    [`offset${plane}`, offset + plane * 4],
  ]);
  return { ...rest, ...Object.fromEntries(planes) };
}
