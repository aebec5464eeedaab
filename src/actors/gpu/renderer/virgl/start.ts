// Starting libvirglrenderer: which node it renders on, and why it does not start.

import type { Pointer } from "bun:ffi";
import { asPointer, libc } from "../../../../ffi/libc.ts";
import { InitFlag, openVirglrenderer, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { DrmNode, renderNodes } from "../../../../transport/os/drm-node.ts";
import { missingPackages } from "../gl-libraries.ts";
import { RendererCallbacks } from "./callbacks.ts";
import { VirglRenderer, type VirglSetup } from "./virgl.ts";

/** Why there is no renderer, and what mends it; for the person who started the server. */
export class RendererUnavailable extends Error {}

export interface VirglOptions extends VirglSetup {
  /** The node to render on; without it the first that works, or else the CPU. */
  renderNode: string | undefined;
  /** Whether the library says everything that it has to say. */
  verbose: boolean;
}

/** Starts the renderer on this thread, once a process. Throws {@link RendererUnavailable}. */
export function startVirgl(options: VirglOptions): VirglRenderer {
  const { renderNode, verbose } = options;
  let library: Virglrenderer;
  try {
    library = openVirglrenderer();
  } catch (error) {
    throw new RendererUnavailable(
      `libvirglrenderer is not there (Debian: apt-get install libvirglrenderer1): ${(error as Error).message}`,
    );
  }
  const missing = missingPackages();
  if (missing.length > 0) {
    throw new RendererUnavailable(
      `GL's libraries are not there (Debian: apt-get install ${missing.join(" ")})`,
    );
  }
  // Any function does that leaves its arguments alone: it may be called on a thread of the library's own.
  if (!verbose) library.logger?.virgl_set_debug_callback(functionPointer(libc.abs));
  for (const node of renderNode === undefined ? findRenderNodes() : [renderNode]) {
    const callbacks = new RendererCallbacks(library, node);
    if (initialize(library, callbacks)) return new VirglRenderer(library, node, callbacks, options);
    callbacks.close();
  }
  if (renderNode !== undefined) {
    throw new RendererUnavailable(`no GL on ${renderNode}: is it a render node that this user may open?`);
  }
  const callbacks = new RendererCallbacks(library, null);
  if (initialize(library, callbacks)) return new VirglRenderer(library, null, callbacks, options);
  callbacks.close();
  throw new RendererUnavailable(
    "EGL does not start: no GL driver is there (Debian: apt-get install libegl1 libgl1-mesa-dri)",
  );
}

function initialize(library: Virglrenderer, callbacks: RendererCallbacks): boolean {
  // A node's driver makes surfaces of its own; without a node there are none.
  const surface = callbacks.hasNode ? 0 : InitFlag.USE_SURFACELESS;
  const flags = InitFlag.USE_EGL | InitFlag.THREAD_SYNC | surface;
  const address = asPointer(callbacks.address);
  // The cookie means nothing to us, but must not be null.
  return library.required.virgl_renderer_init(address, flags, address) === 0;
}

/** Those that may render, in the order in which they are tried. */
const findRenderNodes = (): string[] => renderNodes().filter((path) => !isPassedOver(path));

function isPassedOver(path: string): boolean {
  try {
    const node = DrmNode.open(path);
    node.close();
    return node.isPassedOver;
  } catch {
    // The renderer is to say what is wrong with it.
    return false;
  }
}

/** The native address of a function of a symbol table, which Bun's types do not know. */
function functionPointer(call: unknown): Pointer {
  return asPointer((call as { ptr: number }).ptr);
}
