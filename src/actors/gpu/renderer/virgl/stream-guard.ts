// What is refused of a command stream before the library sees it: streams that go beyond their end, what the guest may
// have no more of, and commands that are known to write where they must not.

import { EINVAL } from "../../../../ffi/libc.ts";
import {
  Ccmd,
  CopyTransfer3d,
  firstUnknownCommand,
  formatsMax,
  ImageField,
  layoutBytes,
  LayoutField,
  memoryInfoBytes,
  QueryField,
  queryObject,
  QueryState,
  ResultField,
  StreamoutField,
  Transfer3d,
  TransferField,
  videoCommands,
} from "./protocol.ts";
import { isEmpty, isInside, type Transfer, transferOf } from "../transfer.ts";
import type { Lack } from "../lack.ts";
import type { Census, Tally } from "./census.ts";
import type { VirglResource } from "./resource.ts";
import { type StreamVisitor, walkStream, wantedOf } from "./stream-walk.ts";

/** What one context may have at a time, and what all of them may have together. */
export interface ContextLimits {
  subContexts: number;
  objects: number;
  glContexts: number;
  totalObjects: number;
  /** Of the streams that objects are made of. */
  objectBytes: number;
}

/** Commands that are counted, followed, or may be refused. */
const guarded = wantedOf([
  Ccmd.CREATE_OBJECT,
  Ccmd.DESTROY_OBJECT,
  Ccmd.RESOURCE_INLINE_WRITE,
  Ccmd.SET_INDEX_BUFFER,
  Ccmd.SET_SHADER_IMAGES,
  Ccmd.GET_QUERY_RESULT,
  Ccmd.SET_STREAMOUT_TARGETS,
  Ccmd.GET_QUERY_RESULT_QBO,
  Ccmd.SET_SUB_CTX,
  Ccmd.CREATE_SUB_CTX,
  Ccmd.DESTROY_SUB_CTX,
  Ccmd.TRANSFER3D,
  Ccmd.COPY_TRANSFER3D,
  Ccmd.PIPE_RESOURCE_CREATE,
  Ccmd.GET_MEMORY_INFO,
  Ccmd.GET_PIPE_RESOURCE_LAYOUT,
  ...videoCommands,
  ...Array.from({ length: 256 - firstUnknownCommand }, (_, at) => firstUnknownCommand + at),
]);

/** A transfer of several layers from the host: where its header is, and the resource that is read. */
export interface LayeredTransfer {
  readonly header: number;
  readonly source: VirglResource;
}

export class StreamGuard implements StreamVisitor {
  /** Of the last stream, in order. */
  readonly layered: LayeredTransfer[] = [];
  /** Whether the last stream did anything that has to be followed once it has run. */
  hasEffects = false;
  private created = 0;
  private createdWords = 0;
  private subContexts = 0;
  private readonly transfer = transferOf();

  constructor(
    private readonly resources: ReadonlyMap<number, VirglResource>,
    private readonly limits: ContextLimits,
    /** Where all contexts count. */
    private readonly tally: Tally,
    private readonly lack: Lack,
  ) {}

  /** Whether there may be another context. */
  get hasContext(): boolean {
    return this.tally.glContexts < this.limits.glContexts;
  }

  /**
   * Returns 0 where the stream may run; EINVAL where it makes no sense; ENOMEM where the context, or all together, would
   * have more than they may. What a stream destroys makes room for the next one, not for itself.
   */
  check(census: Census, words: Uint32Array, from: number, count: number): number {
    this.hasEffects = false;
    if (this.layered.length > 0) this.layered.length = 0;
    // Most streams have nothing in them that has to be visited. In line: this is done for each.
    const end = from + count;
    let first = from;
    while (first < end) {
      const header = words[first]!;
      const length = header >>> 16;
      if (length >= end - first) return EINVAL;
      if (guarded[header & 0xff] !== 0) break;
      first += length + 1;
    }
    if (first === end) return 0;
    this.created = 0;
    this.createdWords = 0;
    this.subContexts = 0;
    const error = walkStream(words, first, end - first, this, guarded);
    if (error !== 0) return error;
    return this.room(census);
  }

  visit(command: number, object: number, words: Uint32Array, header: number, length: number): number {
    switch (command) {
      case Ccmd.CREATE_OBJECT:
        this.created++;
        this.createdWords += length;
        this.hasEffects = true;
        return object === queryObject && length >= QueryField.words
          ? this.query(words[header + QueryField.resource]!)
          : 0;
      case Ccmd.SET_STREAMOUT_TARGETS:
        // The library makes an object of each set of them, and keeps it for as long as the sub-context.
        if (length >= StreamoutField.first) {
          this.created++;
          this.createdWords += length;
          this.hasEffects = true;
        }
        return 0;
      case Ccmd.CREATE_SUB_CTX:
        this.subContexts++;
        this.hasEffects = true;
        return 0;
      case Ccmd.DESTROY_OBJECT:
      case Ccmd.SET_SUB_CTX:
      case Ccmd.DESTROY_SUB_CTX:
      case Ccmd.GET_QUERY_RESULT:
      case Ccmd.RESOURCE_INLINE_WRITE:
        this.hasEffects = true;
        return 0;
      case Ccmd.SET_INDEX_BUFFER:
        return length > 0 ? this.glBuffer(words[header + 1]!) : EINVAL;
      case Ccmd.GET_QUERY_RESULT_QBO:
        return length === ResultField.words ? this.glBuffer(words[header + ResultField.buffer]!) : EINVAL;
      case Ccmd.SET_SHADER_IMAGES:
        return imagesError(words, header, length);
      default:
        return this.visitAnswered(command, words, header, length);
    }
  }

  /** Commands by which the library writes into a backing, and those that it must not see. */
  private visitAnswered(command: number, words: Uint32Array, header: number, length: number): number {
    switch (command) {
      case Ccmd.TRANSFER3D:
        this.hasEffects = true;
        return length >= Transfer3d.words ? this.transfer3d(words, header) : EINVAL;
      case Ccmd.COPY_TRANSFER3D:
        this.hasEffects = true;
        return length === CopyTransfer3d.words ? this.copyTransfer(words, header) : EINVAL;
      case Ccmd.GET_MEMORY_INFO:
        this.hasEffects = true;
        return length === 1 ? this.memoryInfo(words[header + 1]!) : EINVAL;
      case Ccmd.GET_PIPE_RESOURCE_LAYOUT:
        this.hasEffects = true;
        return length >= LayoutField.words ? this.layout(words[header + LayoutField.answer]!) : EINVAL;
      case Ccmd.PIPE_RESOURCE_CREATE:
        // It makes what a blob would be made of, and nothing else ends it.
        return EINVAL;
      default:
        // Of those that are guarded, video is left, which was not started, and what is newer than this.
        return EINVAL;
    }
  }

  /** Returns 0, or ENOMEM. */
  private room(census: Census): number {
    const { limits, tally, lack, created, subContexts } = this;
    if (created > 0) {
      if (census.objectCount + created > limits.objects) return lack.of("objectsMax");
      if (tally.objects + created > limits.totalObjects) return lack.of("totalObjectsMax");
      if ((tally.objectWords + this.createdWords) * 4 > limits.objectBytes) return lack.of("objectBytesMax");
    }
    if (subContexts > 0) {
      if (census.subContextCount + subContexts > limits.subContexts) return lack.of("subContextsMax");
      if (tally.glContexts + subContexts > limits.glContexts) return lack.of("glContextsMax");
    }
    return 0;
  }

  /** The library writes a whole result into its own memory while the buffer has no backing, however small that is. */
  private query(id: number): number {
    const resource = this.resources.get(id);
    return resource !== undefined && resource.isHostMemory && resource.width < QueryState.bytes ? EINVAL : 0;
  }

  /** The library writes to where the backing begins, whether there is one or not, and however long its first piece is. */
  private memoryInfo(id: number): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return 0;
    return resource.hasBacking && resource.backing!.firstPieceBytes() >= memoryInfoBytes ? 0 : EINVAL;
  }

  /** What is no buffer of GL's would have it read or write at the address that the offset is. */
  private glBuffer(id: number): number {
    const resource = this.resources.get(id);
    return resource === undefined || resource.isGlBuffer ? 0 : EINVAL;
  }

  /** The library takes any resource without backing for one that it keeps in its own memory. */
  private layout(id: number): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return 0;
    const bytes = resource.hasBacking ? resource.backing!.length : resource.isHostMemory ? resource.width : 0;
    return bytes >= layoutBytes ? 0 : EINVAL;
  }

  private transfer3d(words: Uint32Array, header: number): number {
    if (words[header + Transfer3d.direction] !== Transfer3d.fromHost) return 0;
    const resource = this.resources.get(words[header + TransferField.resource]!);
    return this.fromHost(words, header, Transfer3d.offset, resource, resource);
  }

  private copyTransfer(words: Uint32Array, header: number): number {
    if ((words[header + CopyTransfer3d.flags]! & CopyTransfer3d.readFromHost) === 0) return 0;
    const source = this.resources.get(words[header + TransferField.resource]!);
    const target = this.resources.get(words[header + CopyTransfer3d.backing]!);
    return this.fromHost(words, header, CopyTransfer3d.offset, source, target);
  }

  private fromHost(
    words: Uint32Array,
    header: number,
    offsetField: number,
    source: VirglResource | undefined,
    target: VirglResource | undefined,
  ): number {
    if (source === undefined || target === undefined || !target.hasBacking) return 0;
    readTransfer(this.transfer, words, header, offsetField);
    if (!isInside(source, this.transfer, target.backing!.length)) return EINVAL;
    if (words[header + TransferField.box + 5]! > 1 && !isEmpty(this.transfer))
      this.layered.push({ header, source });
    return 0;
  }
}

/** The library looks formats up without looking at them. */
function imagesError(words: Uint32Array, header: number, length: number): number {
  const end = header + length;
  for (
    let image = header + ImageField.first;
    image + ImageField.words - 1 <= end;
    image += ImageField.words
  ) {
    if (words[image + ImageField.format]! >= formatsMax) return EINVAL;
  }
  return 0;
}

/** Reads the fields that the stream's transfers share. */
export function readTransfer(
  transfer: Transfer,
  words: Uint32Array,
  header: number,
  offsetField: number,
): void {
  transfer.words = words;
  transfer.at = header + TransferField.box;
  transfer.level = words[header + TransferField.level]!;
  transfer.stride = words[header + TransferField.stride]!;
  transfer.layerStride = words[header + TransferField.layerStride]!;
  transfer.offset = words[header + offsetField]!;
}
