// Which renderer runs the guest's commands: chosen once, at start, and said in one line of the log.

import type { ServerConfig } from "../../../config.ts";
import type { Log } from "../../runtime/log.ts";
import { fullBackingsMax } from "./backing.ts";
import { RendererUnavailable, VirglRenderer } from "./virgl/virgl.ts";

/** Starts virglrenderer where it is wanted and works; null means that software runs 2D alone. */
export function startRenderer(config: ServerConfig, log: Log): VirglRenderer | null {
  if (config.renderer === "software") {
    log.info("no 3D, as --renderer software asks: 2D in software");
    return null;
  }
  try {
    const { renderNode, logLevel, backingEntriesMax } = config;
    const renderer = VirglRenderer.start({
      renderNode,
      verbose: logLevel === "debug",
      backingPiecesMax: fullBackingsMax * backingEntriesMax,
    });
    log.info(`3D by virglrenderer: ${renderer.description} on ${renderer.node ?? "the CPU"}`);
    return renderer;
  } catch (error) {
    if (!(error instanceof RendererUnavailable)) throw error;
    log.warning(`no 3D, only 2D in software: ${error.message}`);
    return null;
  }
}
