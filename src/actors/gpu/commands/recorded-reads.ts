// What a renderer is about to read of the guest's memory, told to the recorder: it is read where nothing of ours sees it.

import { blockLayout } from "../../../picture/formats.ts";
import { bytesPerPixel, cursorSize } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { Resource, ResourceTable } from "../model/resources.ts";
import { BlobPixels } from "../pixels/blobs/blob-pixels.ts";
import {
  type Extent,
  isEmpty,
  isInside,
  layerStep,
  rowStep,
  type Transfer,
  transferOf,
} from "../renderer/transfer.ts";
import { Ccmd, CopyTransfer3d, Transfer3d, TransferField } from "../renderer/virgl/protocol.ts";
import { readTransfer } from "../renderer/virgl/stream-guard.ts";
import { type StreamVisitor, walkStream, wantedOf } from "../renderer/virgl/stream-walk.ts";

const transfers = wantedOf([Ccmd.TRANSFER3D, Ccmd.COPY_TRANSFER3D]);

export class RecordedReads implements StreamVisitor {
  private readonly transfer = transferOf();
  private readonly extent = {
    format: 0,
    target: 0,
    width: 0,
    height: 0,
    depth: 0,
    arraySize: 0,
    lastLevel: 0,
  };
  private recording: QueueRecording | null = null;

  constructor(private readonly resources: ResourceTable) {}

  /** A rectangle of a 2D resource that is in the renderer; its backing may end within it. */
  rectangle(
    recording: QueueRecording,
    resource: Resource,
    width: number,
    height: number,
    offset: number,
  ): void {
    const layout = blockLayout(resource.format);
    if (layout === undefined) return;
    const rowBytes = Math.ceil(width / layout.width) * layout.bytes;
    const stride = Math.ceil(resource.width / layout.width) * layout.bytes;
    const rows = Math.ceil(height / layout.height);
    recording.rowsOf(resource.backing!, resource.id, offset, rowBytes, rows, stride);
  }

  /** Of a guest's blob that no scanout has shown: Linux sends transfers for those that it makes cursors of, though nothing is copied. */
  cursor(
    recording: QueueRecording,
    { id, pixels, backing }: Resource,
    width: number,
    height: number,
    offset: number,
  ): void {
    if (backing === null || !(pixels instanceof BlobPixels) || pixels.views.length > 0) return;
    if (width > cursorSize || height > cursorSize) return;
    const rowBytes = width * bytesPerPixel;
    if (offset + rowBytes * height <= backing.length)
      recording.rowsOf(backing, id, offset, rowBytes, height, rowBytes);
  }

  /** A box of a resource, from its own backing. */
  box(recording: QueueRecording, resource: Resource, transfer: Transfer): void {
    this.read(recording, resource, resource, transfer);
  }

  /** The transfers to the host in `count` words of a stream from word `from` on. */
  stream(recording: QueueRecording, words: Uint32Array, from: number, count: number): void {
    this.recording = recording;
    walkStream(words, from, count, this, transfers);
  }

  visit(command: number, _object: number, words: Uint32Array, header: number, length: number): number {
    const isCopy = command === Ccmd.COPY_TRANSFER3D;
    if (length < (isCopy ? CopyTransfer3d.words : Transfer3d.words)) return 0;
    const isFromHost = isCopy
      ? (words[header + CopyTransfer3d.flags]! & CopyTransfer3d.readFromHost) !== 0
      : words[header + Transfer3d.direction] === Transfer3d.fromHost;
    if (isFromHost) return 0;
    const target = this.resources.get(words[header + TransferField.resource]!);
    const source = isCopy ? this.resources.get(words[header + CopyTransfer3d.backing]!) : target;
    if (target === undefined || source === undefined) return 0;
    readTransfer(this.transfer, words, header, isCopy ? CopyTransfer3d.offset : Transfer3d.offset);
    this.read(this.recording!, target, source, this.transfer);
    return 0;
  }

  /** Records what a transfer to `target` reads of the backing of `source`: rows, layer by layer; nothing if it will be refused. */
  private read(recording: QueueRecording, target: Resource, source: Resource, transfer: Transfer): void {
    const layout = blockLayout(target.format);
    const { backing } = source;
    if (layout === undefined || backing === null || isEmpty(transfer)) return;
    const extent = this.extentOf(target);
    if (!isInside(extent, transfer, backing.length)) return;
    const { words, at, level, stride, offset } = transfer;
    const rowBytes = Math.ceil(words[at + 3]! / layout.width) * layout.bytes;
    const rows = Math.ceil(words[at + 4]! / layout.height);
    const layers = words[at + 5]!;
    const step = rowStep(extent, level, stride, layout);
    const layer = layers > 1 ? layerStep(extent, transfer) : 0;
    for (let z = 0; z < layers; z++) {
      recording.rowsOf(backing, source.id, offset + z * layer, rowBytes, rows, step);
    }
  }

  private extentOf({ format, width, height, shape }: Resource): Extent {
    const { extent } = this;
    extent.format = format;
    extent.width = width;
    extent.height = height;
    extent.target = shape.target;
    extent.depth = shape.depth;
    extent.arraySize = shape.arraySize;
    extent.lastLevel = shape.lastLevel;
    return extent;
  }
}
