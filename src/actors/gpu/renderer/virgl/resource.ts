// What is remembered of a resource that the library has.

import type { Backing } from "../backing.ts";
import type { Extent } from "../transfer.ts";

/** VIRGL_BIND_CUSTOM alone: a buffer that the library keeps in its own memory, or in the backing while it has one. */
const customBind = 1 << 17;
/** VIRGL_BIND_STAGING alone: a buffer that is nothing but its backing. */
const stagingBind = 1 << 19;
/** PIPE_BUFFER. */
const bufferTarget = 0;

export class VirglResource implements Extent {
  readonly target: number;
  readonly format: number;
  readonly bind: number;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly arraySize: number;
  readonly lastLevel: number;
  /** What the guest gave it; null while it has none. */
  backing: Backing | null = null;
  /** Pieces of the backing that the library has; 0 while it has none. */
  pieces = 0;

  /** `shape`: RESOURCE_CREATE_3D's words behind the id. */
  constructor(
    readonly id: number,
    shape: ArrayLike<number>,
  ) {
    this.target = shape[0]!;
    this.format = shape[1]!;
    this.bind = shape[2]!;
    this.width = shape[3]!;
    this.height = shape[4]!;
    this.depth = shape[5]!;
    this.arraySize = shape[6]!;
    this.lastLevel = shape[7]!;
  }

  /** Whether the library has its backing now. */
  get hasBacking(): boolean {
    return this.pieces > 0;
  }

  /** Whether the library copies between its memory and the backing whenever it gets that or gives it back. */
  get isHostMemory(): boolean {
    return this.target === bufferTarget && this.bind === customBind;
  }

  /** Whether GL has a buffer for it; where GL is told of none, it takes an offset for an address. */
  get isGlBuffer(): boolean {
    return this.target === bufferTarget && !this.isBackingOnly;
  }

  /** Whether transfers to the host write the backing, which is where the content is. */
  get isBackingOnly(): boolean {
    return this.target === bufferTarget && (this.bind === customBind || this.bind === stagingBind);
  }
}
