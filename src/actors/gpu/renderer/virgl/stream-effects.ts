// What a stream that has run changed, as far as this side has to know: the context's objects, and guest memory that was
// written while the VMM logs pages.

import type { Backing } from "../backing.ts";
import { logWritten, transferOf } from "../transfer.ts";
import type { Census } from "./census.ts";
import {
  Ccmd,
  CopyTransfer3d,
  layoutBytes,
  LayoutField,
  memoryInfoBytes,
  QueryField,
  queryObject,
  QueryState,
  ShaderField,
  shaderObject,
  StreamoutField,
  Transfer3d,
  TransferField,
} from "./protocol.ts";
import type { VirglResource } from "./resource.ts";
import { readTransfer } from "./stream-guard.ts";
import { type StreamVisitor, walkStream } from "./stream-walk.ts";

export class StreamEffects implements StreamVisitor {
  /** Buffers into which the library may still write a result, which it does when a fence retires. */
  private readonly awaited = new Set<VirglResource>();
  private census!: Census;
  /** While a stream that failed is followed: the backings that were marked whole. */
  private readonly marked = new Set<Backing>();
  private hasFailed = false;
  private readonly transfer = transferOf();

  constructor(private readonly resources: ReadonlyMap<number, VirglResource>) {}

  /**
   * Follows a stream that has run. One that failed ended nobody knows where: what it may have written is marked whole, and
   * once, as most of its transfers may have cost nothing.
   */
  follow(census: Census, words: Uint32Array, from: number, count: number, hasFailed: boolean): void {
    this.census = census;
    this.hasFailed = hasFailed;
    walkStream(words, from, count, this);
    if (hasFailed) this.marked.clear();
  }

  visit(command: number, object: number, words: Uint32Array, header: number, length: number): number {
    const { census } = this;
    if (length === 0) return 0;
    const first = words[header + 1]!;
    switch (command) {
      case Ccmd.CREATE_OBJECT:
        census.createObject(
          first,
          length,
          isMore(object, words, header, length),
          this.queriedBy(object, words, header, length),
        );
        return 0;
      case Ccmd.DESTROY_OBJECT:
        census.destroyObject(first);
        return 0;
      case Ccmd.SET_STREAMOUT_TARGETS:
        census.setStreamout(words, header + StreamoutField.first, header + length + 1);
        return 0;
      case Ccmd.CREATE_SUB_CTX:
        census.createSubContext(first);
        return 0;
      case Ccmd.SET_SUB_CTX:
        census.setSubContext(first);
        return 0;
      case Ccmd.DESTROY_SUB_CTX:
        census.destroySubContext(first);
        return 0;
      case Ccmd.GET_QUERY_RESULT:
        this.queryResult(census.queried(first));
        return 0;
      case Ccmd.RESOURCE_INLINE_WRITE:
        if (length >= TransferField.words) this.toHost(words, header);
        return 0;
      case Ccmd.TRANSFER3D:
        if (length >= Transfer3d.words) this.transfer3d(words, header);
        return 0;
      case Ccmd.COPY_TRANSFER3D:
        if (length >= CopyTransfer3d.words) this.copyTransfer(words, header);
        return 0;
      case Ccmd.GET_MEMORY_INFO:
        this.resources.get(first)?.backing?.wrote(0, memoryInfoBytes);
        return 0;
      case Ccmd.GET_PIPE_RESOURCE_LAYOUT:
        this.resources.get(words[header + LayoutField.answer]!)?.backing?.wrote(0, layoutBytes);
        return 0;
      default:
        return 0;
    }
  }

  /** Fences have retired, and with them queries that were asked for. */
  fencesRetired(): void {
    for (const resource of this.awaited) {
      const { backing } = resource;
      // It may get another one before the library writes.
      if (backing?.isLogged === true) {
        backing.wrote(0, QueryState.bytes);
        if (backing.firstWord() === QueryState.done) this.awaited.delete(resource);
      }
    }
  }

  forget(resource: VirglResource): void {
    this.awaited.delete(resource);
  }

  private queriedBy(
    object: number,
    words: Uint32Array,
    header: number,
    length: number,
  ): VirglResource | null {
    if (object !== queryObject || length < QueryField.words) return null;
    return this.resources.get(words[header + QueryField.resource]!) ?? null;
  }

  private queryResult(resource: VirglResource | null): void {
    if (resource === null || resource.backing === null) return;
    resource.backing.wrote(0, QueryState.bytes);
    this.awaited.add(resource);
  }

  private transfer3d(words: Uint32Array, header: number): void {
    if (words[header + Transfer3d.direction] !== Transfer3d.fromHost) {
      this.toHost(words, header);
      return;
    }
    const resource = this.resources.get(words[header + TransferField.resource]!);
    this.fromHost(words, header, Transfer3d.offset, resource, resource);
  }

  private copyTransfer(words: Uint32Array, header: number): void {
    if ((words[header + CopyTransfer3d.flags]! & CopyTransfer3d.readFromHost) === 0) {
      this.toHost(words, header);
      return;
    }
    const source = this.resources.get(words[header + TransferField.resource]!);
    const target = this.resources.get(words[header + CopyTransfer3d.backing]!);
    this.fromHost(words, header, CopyTransfer3d.offset, source, target);
  }

  /** A buffer that lies in its backing is written there. */
  private toHost(words: Uint32Array, header: number): void {
    const resource = this.resources.get(words[header + TransferField.resource]!);
    if (resource === undefined || resource.backing === null || !resource.isBackingOnly) return;
    if (this.hasFailed) this.markWhole(resource.backing);
    else resource.backing.wrote(words[header + TransferField.box]!, words[header + TransferField.box + 3]!);
  }

  private fromHost(
    words: Uint32Array,
    header: number,
    offsetField: number,
    source: VirglResource | undefined,
    target: VirglResource | undefined,
  ): void {
    const backing = target?.backing ?? null;
    if (source === undefined || backing === null || !backing.isLogged) return;
    if (this.hasFailed) {
      this.markWhole(backing);
      return;
    }
    readTransfer(this.transfer, words, header, offsetField);
    logWritten(backing, source, this.transfer);
  }

  private markWhole(backing: Backing): void {
    if (this.marked.has(backing)) return;
    this.marked.add(backing);
    backing.wrote(0, backing.length);
  }
}

/** Whether CREATE_OBJECT goes on with a shader that is too long for one command. */
function isMore(object: number, words: Uint32Array, header: number, length: number): boolean {
  if (object !== shaderObject || length < ShaderField.offset) return false;
  return words[header + ShaderField.offset]! >= ShaderField.goesOn;
}
