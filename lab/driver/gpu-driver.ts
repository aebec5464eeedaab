// The virtio-gpu driver: one method a command, which submits it and waits for the answer (virtio 1.3 §5.7.6).
// For pipelined use, give the requests of commands.ts to `control.submit` or `cursor.submit`.

import {
  bytesPerPixel,
  CapsetInfo,
  DisplayInfo,
  Edid,
  Header,
  MapInfo,
  ResourceUuid,
  Response,
  scanoutsMax,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { responseName } from "../../src/transport/wire/virtio-gpu/decode.ts";
import { readUuid } from "../../src/transport/wire/uuid.ts";
import type { CommandQueue, CommandResult } from "./command-queue.ts";
import * as commands from "./commands.ts";
import * as commands3d from "./commands-3d.ts";
import * as commandsBlob from "./commands-blob.ts";
import type { CursorPlace, HeaderFields, Rectangle } from "./commands.ts";
import type { Resource3d, Transfer } from "./commands-3d.ts";
import type { Blob, BlobLayout } from "./commands-blob.ts";
import type { GuestBuffer, GuestMemory, GuestRange } from "./guest-memory.ts";

/** A resource with backing of its own: `pixels[y * width + x]`, rows without padding. */
export interface Image {
  resourceId: number;
  format: number;
  width: number;
  height: number;
  backing: GuestBuffer;
  pixels: Uint32Array;
}

/** GET_CAPSET_INFO's answer; `maxSize` in bytes. */
export interface CapsetSummary {
  id: number;
  maxVersion: number;
  maxSize: number;
}

/** The device has refused a command that the guest needs. */
class CommandFailed extends Error {
  override name = "CommandFailed";
}

export class GpuDriver {
  /** What each scanout's cursor was given last, which moves name as Linux's do. */
  private readonly cursors = new Map<number, number>();

  constructor(
    readonly memory: GuestMemory,
    readonly control: CommandQueue,
    readonly cursor: CommandQueue,
  ) {}

  getDisplayInfo(header?: HeaderFields): CommandResult & { modes: (Rectangle & { enabled: boolean })[] } {
    const result = this.control.call(commands.getDisplayInfo(header));
    return { ...result, modes: parseModes(result.bytes) };
  }

  getEdid(scanoutId: number, header?: HeaderFields): CommandResult & { edid: Uint8Array } {
    const result = this.control.call(commands.getEdid(scanoutId, header));
    const size = new DataView(result.bytes.buffer as ArrayBuffer).getUint32(Edid.size, true);
    return { ...result, edid: result.bytes.slice(Edid.edid, Edid.edid + size) };
  }

  getCapsetInfo(index: number, header?: HeaderFields): CommandResult & { capset: CapsetSummary } {
    const result = this.control.call(commands.getCapsetInfo(index, header));
    return { ...result, capset: parseCapsetInfo(result.bytes) };
  }

  /** `sizeMax`: room for the capset in bytes, as GET_CAPSET_INFO says. */
  getCapset(
    id: number,
    version: number,
    sizeMax = 1024,
    header?: HeaderFields,
  ): CommandResult & { capset: Uint8Array } {
    const result = this.control.call(commands.getCapset(id, version, header), {
      responseBytes: Header.bytes + sizeMax,
    });
    return { ...result, capset: result.bytes.subarray(Header.bytes, result.length) };
  }

  createResource2d(
    resourceId: number,
    format: number,
    width: number,
    height: number,
    header?: HeaderFields,
  ): CommandResult {
    return this.control.call(commands.createResource2d(resourceId, format, width, height, header));
  }

  unrefResource(resourceId: number, header?: HeaderFields): CommandResult {
    return this.control.call(commands.unrefResource(resourceId, header));
  }

  attachBacking(resourceId: number, entries: readonly GuestRange[], header?: HeaderFields): CommandResult {
    return this.control.call(commands.attachBacking(resourceId, entries, header));
  }

  detachBacking(resourceId: number, header?: HeaderFields): CommandResult {
    return this.control.call(commands.detachBacking(resourceId, header));
  }

  /** `uuid` is "" where it was refused. */
  assignUuid(resourceId: number, header?: HeaderFields): CommandResult & { uuid: string } {
    const result = this.control.call(commands.assignUuid(resourceId, header));
    const isThere = result.type === Response.OK_RESOURCE_UUID;
    return { ...result, uuid: isThere ? readUuid(result.bytes.subarray(ResourceUuid.uuid)) : "" };
  }

  /** `offset`: where in the backing the rectangle's first pixel is, in bytes. */
  transferToHost2d(
    resourceId: number,
    rectangle: Rectangle,
    offset: number | bigint = 0,
    header?: HeaderFields,
  ): CommandResult {
    return this.control.call(commands.transferToHost2d(resourceId, rectangle, offset, header));
  }

  /** Resource 0 turns the scanout off. */
  setScanout(
    scanoutId: number,
    resourceId: number,
    rectangle: Rectangle,
    header?: HeaderFields,
  ): CommandResult {
    return this.control.call(commands.setScanout(scanoutId, resourceId, rectangle, header));
  }

  flushResource(resourceId: number, rectangle: Rectangle, header?: HeaderFields): CommandResult {
    return this.control.call(commands.flushResource(resourceId, rectangle, header));
  }

  updateCursor(
    place: CursorPlace,
    resourceId: number,
    hotX = 0,
    hotY = 0,
    header?: HeaderFields,
  ): CommandResult {
    this.cursors.set(place.scanoutId, resourceId);
    return this.cursor.call(commands.updateCursor(place, resourceId, hotX, hotY, header));
  }

  moveCursor(place: CursorPlace, header?: HeaderFields): CommandResult {
    const resourceId = this.cursors.get(place.scanoutId) ?? 0;
    return this.cursor.call(commands.moveCursor(place, resourceId, header));
  }

  createContext(contextId: number, name = "", contextInit = 0, header?: HeaderFields): CommandResult {
    return this.control.call(commands3d.createContext(contextId, name, contextInit, header));
  }

  destroyContext(contextId: number, header?: HeaderFields): CommandResult {
    return this.control.call(commands3d.destroyContext(contextId, header));
  }

  attachResource(contextId: number, resourceId: number, header?: HeaderFields): CommandResult {
    return this.control.call(commands3d.attachResource(contextId, resourceId, header));
  }

  detachResource(contextId: number, resourceId: number, header?: HeaderFields): CommandResult {
    return this.control.call(commands3d.detachResource(contextId, resourceId, header));
  }

  createResource3d(resource: Resource3d, header?: HeaderFields): CommandResult {
    return this.control.call(commands3d.createResource3d(resource, header));
  }

  /** Context 0 is the device's own: it reaches every resource. */
  transferToHost3d(
    contextId: number,
    resourceId: number,
    transfer: Transfer,
    header?: HeaderFields,
  ): CommandResult {
    return this.control.call(commands3d.transferToHost3d(contextId, resourceId, transfer, header));
  }

  transferFromHost3d(
    contextId: number,
    resourceId: number,
    transfer: Transfer,
    header?: HeaderFields,
  ): CommandResult {
    return this.control.call(commands3d.transferFromHost3d(contextId, resourceId, transfer, header));
  }

  /** Runs a virgl command stream in a context. */
  submit3d(contextId: number, stream: Uint8Array, header?: HeaderFields): CommandResult {
    return this.control.call(commands3d.submit3d(contextId, stream, header));
  }

  /** A blob, of the guest pages that `entries` name where it has such; of the header's context. */
  createBlob(blob: Blob, entries: readonly GuestRange[] = [], header?: HeaderFields): CommandResult {
    return this.control.call(commandsBlob.createBlob(blob, entries, header));
  }

  setScanoutBlob(
    scanoutId: number,
    resourceId: number,
    rectangle: Rectangle,
    layout: BlobLayout,
    header?: HeaderFields,
  ): CommandResult {
    return this.control.call(commandsBlob.setScanoutBlob(scanoutId, resourceId, rectangle, layout, header));
  }

  /** Maps a blob into the host-visible window. `mapInfo`: one of MapCache. */
  mapBlob(
    resourceId: number,
    offset: number | bigint,
    header?: HeaderFields,
  ): CommandResult & { mapInfo: number } {
    const result = this.control.call(commandsBlob.mapBlob(resourceId, offset, header));
    const view = new DataView(result.bytes.buffer as ArrayBuffer, result.bytes.byteOffset);
    return { ...result, mapInfo: view.getUint32(MapInfo.mapInfo, true) };
  }

  unmapBlob(resourceId: number, header?: HeaderFields): CommandResult {
    return this.control.call(commandsBlob.unmapBlob(resourceId, header));
  }

  /** A resource with freshly allocated, contiguous backing. Throws {@link CommandFailed} when it is refused. */
  createImage(resourceId: number, format: number, width: number, height: number): Image {
    const backing = this.memory.allocate(width * height * bytesPerPixel);
    expectOk(this.createResource2d(resourceId, format, width, height), "RESOURCE_CREATE_2D");
    expectOk(this.attachBacking(resourceId, [backing]), "RESOURCE_ATTACH_BACKING");
    return { resourceId, format, width, height, backing, pixels: backing.words };
  }

  /** Brings part of an image, all of it by default, to the device and onto every scanout that shows it. */
  present(image: Image, rectangle: Rectangle = areaOf(image)): void {
    const offset = (rectangle.y * image.width + rectangle.x) * bytesPerPixel;
    expectOk(this.transferToHost2d(image.resourceId, rectangle, offset), "TRANSFER_TO_HOST_2D");
    expectOk(this.flushResource(image.resourceId, rectangle), "RESOURCE_FLUSH");
  }

  /** Shows all of an image on a scanout. */
  show(scanoutId: number, image: Image): void {
    expectOk(this.setScanout(scanoutId, image.resourceId, areaOf(image)), "SET_SCANOUT");
    this.present(image);
  }
}

/** All of something with a size. */
export function areaOf({ width, height }: { width: number; height: number }): Rectangle {
  return { x: 0, y: 0, width, height };
}

/** Throws {@link CommandFailed} unless the command was answered OK_NODATA. */
export function expectOk(result: CommandResult, name: string): void {
  if (result.type !== Response.OK_NODATA) {
    throw new CommandFailed(`${name} was answered ${responseName(result.type)} (${result.length} bytes)`);
  }
}

function parseCapsetInfo(bytes: Uint8Array): CapsetSummary {
  const view = new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  return {
    id: view.getUint32(CapsetInfo.capsetId, true),
    maxVersion: view.getUint32(CapsetInfo.maxVersion, true),
    maxSize: view.getUint32(CapsetInfo.maxSize, true),
  };
}

function parseModes(bytes: Uint8Array): (Rectangle & { enabled: boolean })[] {
  const view = new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: scanoutsMax }, (_, index) => {
    const offset = DisplayInfo.modes + index * DisplayInfo.mode.bytes;
    return {
      x: view.getUint32(offset + DisplayInfo.mode.x, true),
      y: view.getUint32(offset + DisplayInfo.mode.y, true),
      width: view.getUint32(offset + DisplayInfo.mode.width, true),
      height: view.getUint32(offset + DisplayInfo.mode.height, true),
      enabled: view.getUint32(offset + DisplayInfo.mode.enabled, true) !== 0,
    };
  });
}
