// Every command of the ctrl queue, one row each (virtio 1.3 §5.7.6.7): its length and feature are checked here, once.

import {
  AttachBacking,
  Command as Type,
  CreateBlob,
  CtxCreate,
  CtxResource,
  DetachBacking,
  Feature,
  GetCapset,
  GetCapsetInfo,
  GetEdid,
  Header,
  MapBlob,
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
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../queue/request.ts";
import { isKept } from "../journal/kept-commands.ts";
import { BlobCommands } from "./blobs.ts";
import { CapsetCommands } from "./capsets.ts";
import { ContextCommands } from "./contexts.ts";
import { MapCommands } from "./mappings.ts";
import type { Command, Parts } from "./parts.ts";
import { Questions } from "./questions.ts";
import { ResourceCommands } from "./resources.ts";
import { ScanoutCommands } from "./scanouts.ts";
import { TransferCommands } from "./transfers.ts";

/** The commands by what they are about. */
export class Commands {
  readonly questions;
  readonly resources;
  readonly scanouts;
  readonly transfers;
  readonly contexts;
  readonly capsets;
  readonly blobs;
  readonly mappings;

  constructor(parts: Parts) {
    this.questions = new Questions(parts);
    this.resources = new ResourceCommands(parts);
    this.scanouts = new ScanoutCommands(parts);
    this.transfers = new TransferCommands(parts);
    this.contexts = new ContextCommands(parts);
    this.capsets = new CapsetCommands(parts);
    this.blobs = new BlobCommands(parts);
    this.mappings = new MapCommands(parts);
  }
}

interface Row {
  readonly type: number;
  /** As the specification has it, without VIRTIO_GPU_CMD_. */
  readonly name: keyof typeof Type;
  /** The least that a request is long, its header included. */
  readonly bytes: number;
  /** The feature without which there is no such command; null for those of every device. */
  readonly feature: number | null;
  readonly run: (commands: Commands, request: Request) => number;
  /** Whether it makes or ends something that a successor has to have: the journal is told. None of these is put off. */
  readonly isKept: boolean;
}

function row(name: keyof typeof Type, bytes: number, run: Row["run"], feature: number | null = null): Row {
  return { type: Type[name], name, bytes, feature, run, isKept: isKept(Type[name]) };
}

const { RESOURCE_BLOB, RESOURCE_UUID, VIRGL } = Feature;

export const commandTable: readonly Row[] = [
  row("GET_DISPLAY_INFO", Header.bytes, ({ questions }) => questions.displayInfo()),
  row("GET_EDID", GetEdid.bytes, ({ questions }, request) => questions.edid(request)),
  row("GET_CAPSET_INFO", GetCapsetInfo.bytes, ({ capsets }, request) => capsets.info(request)),
  row("GET_CAPSET", GetCapset.bytes, ({ capsets }, request) => capsets.content(request)),
  row("RESOURCE_CREATE_2D", ResourceCreate2d.bytes, ({ resources }, request) => resources.create2d(request)),
  row("RESOURCE_UNREF", ResourceUnref.bytes, ({ resources }, request) => resources.unref(request)),
  row("RESOURCE_ATTACH_BACKING", AttachBacking.bytes, ({ resources }, request) =>
    resources.attachBacking(request),
  ),
  row("RESOURCE_DETACH_BACKING", DetachBacking.bytes, ({ resources }, request) =>
    resources.detachBacking(request),
  ),
  row(
    "RESOURCE_ASSIGN_UUID",
    OfResource.bytes,
    ({ resources }, request) => resources.assignUuid(request),
    RESOURCE_UUID,
  ),
  row("SET_SCANOUT", SetScanout.bytes, ({ scanouts }, request) => scanouts.set(request)),
  row("RESOURCE_FLUSH", ResourceFlush.bytes, ({ scanouts }, request) => scanouts.flush(request)),
  row("TRANSFER_TO_HOST_2D", TransferToHost2d.bytes, ({ transfers }, request) => transfers.toHost2d(request)),
  row(
    "RESOURCE_CREATE_BLOB",
    CreateBlob.bytes,
    ({ blobs }, request) => blobs.createBlob(request),
    RESOURCE_BLOB,
  ),
  row(
    "SET_SCANOUT_BLOB",
    SetScanoutBlob.bytes,
    ({ scanouts }, request) => scanouts.setBlob(request),
    RESOURCE_BLOB,
  ),
  row("CTX_CREATE", CtxCreate.bytes, ({ contexts }, request) => contexts.create(request), VIRGL),
  row("CTX_DESTROY", Header.bytes, ({ contexts }, request) => contexts.destroy(request), VIRGL),
  row("CTX_ATTACH_RESOURCE", CtxResource.bytes, ({ contexts }, request) => contexts.attach(request), VIRGL),
  row("CTX_DETACH_RESOURCE", CtxResource.bytes, ({ contexts }, request) => contexts.detach(request), VIRGL),
  row(
    "RESOURCE_CREATE_3D",
    ResourceCreate3d.bytes,
    ({ resources }, request) => resources.create3d(request),
    VIRGL,
  ),
  row(
    "TRANSFER_TO_HOST_3D",
    Transfer3d.bytes,
    ({ transfers }, request) => transfers.toHost3d(request),
    VIRGL,
  ),
  row(
    "TRANSFER_FROM_HOST_3D",
    Transfer3d.bytes,
    ({ transfers }, request) => transfers.fromHost3d(request),
    VIRGL,
  ),
  row(
    "RESOURCE_MAP_BLOB",
    MapBlob.bytes,
    ({ mappings }, request) => mappings.mapBlob(request),
    RESOURCE_BLOB,
  ),
  row(
    "RESOURCE_UNMAP_BLOB",
    OfResource.bytes,
    ({ mappings }, request) => mappings.unmapBlob(request),
    RESOURCE_BLOB,
  ),
  row("SUBMIT_3D", Submit3d.bytes, ({ contexts }, request) => contexts.submit(request), VIRGL),
];

/** Numbers are 0x0100 to 0x01ff (2D) and 0x0200 to 0x02ff (3D): a table over both. */
const tableBase = 0x0100;
const tableSize = 0x0200;

const byType: (Row | undefined)[] = Array.from({ length: tableSize }, (_, index) =>
  commandTable.find(({ type }) => type === tableBase + index),
);

/** A command as people read it: its name, or the number of one that there is not. */
export function commandName(type: number): string {
  return byType[type - tableBase]?.name ?? `command 0x${type.toString(16)}`;
}

/** Runs any request of the ctrl queue. */
export function dispatcher({ model, journal }: Parts, commands: Commands): Command {
  return (request) => {
    const { type } = request;
    const found = type >= tableBase && type < tableBase + tableSize ? byType[type - tableBase] : undefined;
    if (found === undefined || request.length < found.bytes) return Response.ERR_UNSPEC;
    if (found.feature !== null && !model.has(found.feature)) return Response.ERR_UNSPEC;
    const response = found.run(commands, request);
    if (found.isKept && response < Response.ERR_UNSPEC) journal.keep(request);
    return response;
  };
}
