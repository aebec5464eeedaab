// Starting libvirglrenderer: which node it renders on, and why it does not start.

import type { Pointer } from "bun:ffi";
import { asPointer, libc } from "../../../../ffi/libc.ts";
import { InitFlag, openVirglrenderer, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { DrmNode, renderNodes } from "../../../../transport/os/drm-node.ts";
import type { Layers } from "../../../../transport/os/sandbox/confine.ts";
import { missingPackages } from "../gl-libraries.ts";
import { RendererCallbacks } from "./callbacks.ts";
import { type Prepared, Venus, type VenusSetup } from "./venus/venus.ts";
import { VirglRenderer, type VirglSetup } from "./virgl.ts";

/** Why there is no renderer, and what mends it; for the person who started the server. */
export class RendererUnavailable extends Error {}

export interface VirglOptions extends VirglSetup {
  /** The node to render on; without it the first that works, or else the CPU. */
  renderNode: string | undefined;
  /** Whether the library says everything that it has to say. */
  verbose: boolean;
  /** What Vulkan for guests is to be; null for none. */
  venus: VenusSetup | null;
}

/** What was started, and why that has no Vulkan for guests: "" where it has, or is to have none. */
export interface Started {
  renderer: VirglRenderer;
  noVulkan: string;
  /** Of the sandbox of Vulkan's processes; null where they have none of their own. */
  vulkanLayers: Layers | null;
}

/** Starts the renderer on this thread, once a process. Throws {@link RendererUnavailable}. */
export function startVirgl(options: VirglOptions): Started {
  const library = loadLibrary(options.verbose);
  const { renderNode, venus } = options;
  const prepared = venus === null ? "" : Venus.prepare(library, venus);
  const start = new Start(library, options, typeof prepared === "string" ? null : prepared);
  if (typeof prepared === "string") start.noVulkan = prepared;
  for (const node of renderNode === undefined ? findRenderNodes() : [renderNode]) {
    const started = start.on(node);
    if (started !== null) return started;
  }
  const started = renderNode === undefined ? start.on(null) : null;
  if (started !== null) return started;
  start.giveUp();
  throw new RendererUnavailable(
    renderNode === undefined
      ? "EGL does not start: no GL driver is there (Debian: apt-get install libegl1 libgl1-mesa-dri)"
      : `no GL on ${renderNode}: is it a render node that this user may open?`,
  );
}

function loadLibrary(verbose: boolean): Virglrenderer {
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
  return library;
}

class Start {
  noVulkan = "";

  constructor(
    private readonly library: Virglrenderer,
    private readonly options: VirglOptions,
    private prepared: Prepared | null,
  ) {}

  /** Starts the library on a node, or on none where that is null. Returns null where that does not go. */
  on(node: string | null): Started | null {
    const { library, prepared, options } = this;
    const serverFd = prepared && (() => prepared.server.takeLibraryFd());
    const callbacks = new RendererCallbacks(library, node, serverFd);
    const isStarted = initialize(library, callbacks, prepared !== null);
    if (!isStarted) {
      callbacks.close();
      // Once it has been given away, the library has closed it.
      return prepared?.server.isTaken === true ? this.withoutVulkan(node) : null;
    }
    const venus = prepared && Venus.start(prepared, options.venus!, callbacks);
    if (typeof venus === "string") this.noVulkan = venus;
    const renderer = new VirglRenderer(
      library,
      node,
      callbacks,
      options,
      typeof venus === "string" ? null : venus,
    );
    const vulkanLayers = venus instanceof Venus ? venus.layers : null;
    return { renderer, noVulkan: this.noVulkan, vulkanLayers };
  }

  /** Nothing is to be left of what was prepared. */
  giveUp(): void {
    this.prepared?.server.close();
    this.prepared = null;
  }

  private withoutVulkan(node: string | null): Started | null {
    this.giveUp();
    this.noVulkan = "virglrenderer does not take its render server";
    return this.on(node);
  }
}

function initialize(library: Virglrenderer, callbacks: RendererCallbacks, hasVenus: boolean): boolean {
  // A node's driver makes surfaces of its own; without a node there are none.
  const surface = callbacks.hasNode ? 0 : InitFlag.USE_SURFACELESS;
  // Without ASYNC_FENCE_CB: with it the library's threads would call us for venus's fences.
  const venus = hasVenus ? InitFlag.VENUS | InitFlag.RENDER_SERVER : 0;
  const flags = InitFlag.USE_EGL | InitFlag.THREAD_SYNC | surface | venus;
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
