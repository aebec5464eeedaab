// Venus, Vulkan for guests, beside the library's GL: what is started for it, and whether it works.

import type { CapsetDescription, Renderer } from "../../renderer.ts";
import type { Virglrenderer } from "../../../../../ffi/virglrenderer.ts";
import type { Layers } from "../../../../../transport/os/sandbox/confine.ts";
import { asRefusal } from "../../../../../transport/os/errors.ts";
import { Capset } from "../../../../../transport/wire/virtio-gpu/protocol.ts";
import { describeLayers, firstLack } from "../../../../sandbox/report.ts";
import type { RendererCallbacks } from "../callbacks.ts";
import { describeCapset, wireFormatOf } from "../capsets.ts";
import { VenusContexts } from "./contexts.ts";
import { HostBlobs } from "./host-blobs.ts";
import { venusLibrary, type VenusLibrary } from "./library.ts";
import { probeVenus } from "./probe.ts";
import { RenderServer } from "./render-server.ts";

export interface VenusSetup {
  /** The render server's program; without it that of the usual places. */
  renderServer: string | undefined;
  /** Whether a guest is offered it though no Mesa knows this library's wire format. */
  isForced: boolean;
  /** Where it prints to. */
  outputFd: number;
  /** Contexts, each a process, that a guest may have. */
  contextsMax: number;
  /** How long such a process may take to read what it is sent, in milliseconds. */
  stallMs: number;
  /** Address space of each such process; 0 for any. */
  processBytesMax: number;
  /** Whether such processes have a sandbox of their own. */
  sandbox: "auto" | "on" | "off";
}

/** A render server that waits for the library to start. */
export interface Prepared {
  readonly library: VenusLibrary;
  readonly server: RenderServer;
}

const noContext = "the render server makes no context";

export class Venus {
  private constructor(
    private readonly device: string,
    readonly capset: CapsetDescription,
    readonly contexts: VenusContexts,
    readonly blobs: HostBlobs,
    private readonly server: RenderServer,
    /** Those of its processes' sandbox; null where they have none of their own. */
    readonly layers: Layers | null,
  ) {}

  get description(): { vulkan: string; vulkanSandbox?: Record<string, string> } {
    const { device, layers } = this;
    return { vulkan: device, ...(layers === null ? {} : { vulkanSandbox: describeLayers(layers) }) };
  }

  /** Before the library starts, since the server may start meanwhile. Returns what is missing as text. */
  static prepare(library: Virglrenderer, setup: VenusSetup): Prepared | string {
    const usable = venusLibrary(library);
    if (usable === null) return "this libvirglrenderer has no contexts or blobs";
    const path = RenderServer.find(setup.renderServer);
    if (path === null) {
      return setup.renderServer === undefined
        ? "virglrenderer's render server is not there (Debian: apt-get install virgl-server)"
        : `${setup.renderServer} is no program`;
    }
    try {
      return { library: usable, server: new RenderServer({ ...setup, path }) };
    } catch (error) {
      return asRefusal(error).message;
    }
  }

  /** Once the library has started. Returns what is missing as text. */
  static start(
    { library, server }: Prepared,
    setup: VenusSetup,
    callbacks: RendererCallbacks,
  ): Venus | string {
    const glFenceFd = library.required.virgl_renderer_get_poll_fd();
    const capset = describeCapset(library.required, Capset.VENUS);
    // One that has ended shows itself by this or by the first context.
    const isConnected = server.connect();
    if (!isConnected || capset.bytes === 0) {
      const lack = lackOf(server.takeReport(), setup);
      server.close();
      return lack ?? (isConnected ? "this libvirglrenderer was built without venus" : noContext);
    }
    if (!setup.isForced && wireFormatOf(library.required, capset) === 0) {
      server.close();
      return "this libvirglrenderer's venus is of before Mesa's (Debian 12 has 0.10; 1.0 or later is wanted)";
    }
    const contexts = new VenusContexts(library, server, setup.contextsMax, setup.stallMs, glFenceFd);
    callbacks.onContextFence = (context, ring, fence) => contexts.fenceRetired(context, ring, fence);
    const blobs = new HostBlobs(library, contexts);
    const found = probeVenus(contexts, blobs);
    const device = "device" in found ? found.device : "";
    const layers = server.takeReport();
    const venus = new Venus(device, capset, contexts, blobs, server, layers);
    if ("device" in found) {
      server.rest();
      return venus;
    }
    venus.close();
    venus.ended();
    return lackOf(layers, setup) ?? found.missing;
  }

  /** Tells `whom` of contexts and servers that end by themselves. */
  listen(whom: Pick<Renderer, "lack" | "onContextFence" | "onContextLost" | "onTrouble">): void {
    const { contexts } = this;
    contexts.lack = whom.lack;
    contexts.onFence = (context, ring, fence) => whom.onContextFence(context, ring, fence);
    contexts.onLost = (context, reason) => whom.onContextLost(context, reason);
    contexts.onServerLost = () =>
      whom.onTrouble("the render server has ended: Vulkan contexts go on, and the next one starts another");
  }

  /** Before the library stops. */
  close(): void {
    this.blobs.close();
    this.contexts.close();
  }

  /** The library has stopped. */
  ended(): void {
    this.server.close();
  }
}

/** Why the server has not come to be; null where its sandbox is no reason. */
const lackOf = (layers: Layers | null, { sandbox }: VenusSetup): string | null =>
  layers !== null && sandbox === "on" ? firstLack(layers) : null;
