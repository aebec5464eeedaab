// Which renderer runs the guest's commands: chosen once, at start, and said in one line of the log.

import type { ServerConfig } from "../../../config.ts";
import { ConfigError } from "../../../config-error.ts";
import type { Log } from "../../runtime/log.ts";
import { report } from "../../sandbox/report.ts";
import type { Arena } from "./arena.ts";
import { libraryOutputFd } from "./library-output.ts";
import { NullRenderer } from "./null/null-renderer.ts";
import type { Renderer } from "./renderer.ts";
import { RendererUnavailable, startVirgl } from "./virgl/start.ts";
import type { VenusSetup } from "./virgl/venus/venus.ts";

/**
 * Starts virglrenderer where it is wanted and works; elsewhere software runs 2D alone. Throws a
 * {@link ConfigError} where it, or its render node, was asked for by name and does not work.
 */
export function startRenderer(config: ServerConfig, log: Log, arena: Arena): Renderer {
  if (config.renderer === "software") {
    if (config.vulkan === "on")
      throw new ConfigError("--vulkan on cannot be had: --renderer software has no 3D");
    log.info("no 3D, as --renderer software asks: 2D in software");
    return new NullRenderer();
  }
  try {
    const { renderNode, logLevel, backingPiecesMax } = config;
    const { renderer, noVulkan, vulkanLayers } = startVirgl({
      arena,
      venus: venusSetup(config),
      renderNode,
      verbose: logLevel === "debug",
      backingPiecesMax,
      limits: {
        subContexts: config.subContextsMax,
        objects: config.objectsMax,
        glContexts: config.glContextsMax,
        totalObjects: config.totalObjectsMax,
        objectBytes: config.objectBytesMax,
      },
    });
    const { gl, node, vulkan } = renderer.description;
    log.info(`3D by virglrenderer: ${gl} on ${node ?? "the CPU"}`);
    if (vulkan !== undefined) log.info(`Vulkan for guests by venus: ${vulkan}`);
    for (const { level, text } of vulkanLayers === null ? [] : report(vulkanLayers, "sandbox of Vulkan"))
      log[level](text);
    if (noVulkan !== "" && config.vulkan === "on") {
      renderer.close();
      throw new ConfigError(`--vulkan on cannot be had: ${noVulkan}`);
    }
    if (noVulkan !== "") log.info(`no Vulkan for guests: ${noVulkan}`);
    return renderer;
  } catch (error) {
    if (!(error instanceof RendererUnavailable)) throw error;
    if (config.renderer === "virgl") {
      throw new ConfigError(`--renderer virgl cannot be had: ${error.message}`);
    }
    if (config.renderNode !== undefined) {
      throw new ConfigError(
        `--render-node cannot be had for 3D: ${error.message} With --renderer software it serves --storage gbm alone.`,
      );
    }
    if (config.vulkan === "on") throw new ConfigError(`--vulkan on cannot be had: ${error.message}`);
    log.warning(`no 3D, only 2D in software: ${error.message}`);
    return new NullRenderer();
  }
}

/** What Vulkan for guests is to be; null for none. */
function venusSetup(config: ServerConfig): VenusSetup | null {
  if (config.vulkan === "off") return null;
  return {
    renderServer: config.renderServer,
    isForced: config.vulkan === "on",
    outputFd: libraryOutputFd(),
    contextsMax: config.vulkanContextsMax,
    stallMs: config.vulkanStallMs,
    processBytesMax: config.vulkanBytesMax,
    sandbox: config.sandbox,
  };
}
