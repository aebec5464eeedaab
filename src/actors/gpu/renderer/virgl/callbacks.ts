// The functions that the library calls.

import { FFIType, JSCallback } from "bun:ffi";
import { openSync } from "node:fs";
import { Callbacks, callbacksVersion, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";

/** The functions that the library calls, and the struct that it finds them in. */
export class RendererCallbacks {
  onFence: (fence: number) => void = () => {};
  onContextFence: (context: number, ring: number, fence: number) => void = () => {};
  private readonly struct = NativeMemory.allocate(Callbacks.bytes);
  private readonly functions: JSCallback[] = [];

  constructor(
    library: Virglrenderer,
    private readonly node: string | null,
    /** Gives the library its end of a render server's socket; null where it is to have none. */
    renderServerFd: (() => number) | null,
  ) {
    const view = new DataView(this.struct.view());
    const add = (offset: number, callback: JSCallback): void => {
      view.setBigUint64(offset, BigInt(callback.ptr!), true);
      this.functions.push(callback);
    };
    const { withContextFences, without } = callbacksVersion;
    view.setInt32(Callbacks.version, library.contextFences === null ? without : withContextFences, true);
    add(
      Callbacks.writeFence,
      new JSCallback((_cookie: number, fence: number) => this.onFence(fence), {
        args: ["ptr", "u32"],
        returns: "void",
      }),
    );
    if (node !== null) {
      // The library owns what this answers, and asks anew each time that it is started.
      add(Callbacks.getDrmFd, new JSCallback(() => openNode(node), { args: ["ptr"], returns: "i32" }));
    }
    if (renderServerFd !== null) {
      add(
        Callbacks.getServerFd,
        new JSCallback(() => renderServerFd(), { args: ["ptr", "u32"], returns: "i32" }),
      );
    }
    if (library.contextFences === null) return;
    add(
      Callbacks.writeContextFence,
      new JSCallback(
        (_cookie: number, context: number, ring: number, fence: number | bigint) =>
          this.onContextFence(context, ring, Number(fence)),
        { args: ["ptr", "u32", "u32", FFIType.u64_fast], returns: "void" },
      ),
    );
  }

  get address(): number {
    return this.struct.address;
  }

  get hasNode(): boolean {
    return this.node !== null;
  }

  close(): void {
    for (const callback of this.functions) callback.close();
    this.struct.unmap();
  }
}

function openNode(path: string): number {
  try {
    return openSync(path, "r+");
  } catch {
    // Whatever the reason: the library says that it cannot start there, and another node is tried.
    return -1;
  }
}
