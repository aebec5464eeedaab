// The server: settings → what can be checked before anything starts → sandbox → supervisor → exit code.

import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import packageJson from "../../package.json";
import { Sandbox } from "../actors/sandbox/sandbox.ts";
import { helpText } from "../config-help.ts";
import { ConfigError, parseCommandLine, type Served, type ServerConfig } from "../config.ts";
import { isDrmNode, renderNodes } from "../transport/os/drm-node.ts";
import { SystemError } from "../transport/os/errors.ts";
import { inheritedSocketState } from "../transport/os/inherited-socket.ts";
import { adoptOrphans } from "../transport/os/orphans.ts";
import { ensureRuntimeDirectory } from "../transport/os/runtime-directory.ts";
import { begun, type CallOf } from "./begin.ts";
import { explained } from "./explained.ts";
import { withActivation } from "./socket-activation.ts";

/**
 * What QEMU's back-end conventions call the capabilities of a "gpu" back-end: flags that it takes. libvirt looks for a render node where
 * that is among them, and starts no domain on a host without one.
 */
function capabilities(): Record<string, unknown> {
  const features = renderNodes().length > 0 ? ["render-node", "virgl"] : ["virgl"];
  return { type: "gpu", features };
}

const exitFailed = 1;
const exitUsage = 2;

export async function main(args: string[], directory: string, callOf: CallOf): Promise<number> {
  try {
    const request = parseCommandLine(args, withActivation(process.env), directory);
    switch (request.kind) {
      case "help":
        console.log(helpText(callOf("server")));
        return 0;
      case "version":
        console.log(`fencepost ${packageJson.version}`);
        return 0;
      case "capabilities":
        console.log(JSON.stringify(capabilities(), null, 2));
        return 0;
      case "serve":
        checkSurroundings(request.config);
        return await serveInside(enter(request), request, callOf("ctl"));
    }
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof SystemError)) throw error;
    console.error(`fencepost: ${error.message}`);
    // What the host has no room for is nobody's mistake in the settings.
    return error instanceof ConfigError ? exitUsage : exitFailed;
  }
}

/** Throws a {@link ConfigError} for what the settings name and cannot be had, before anything is started for it. */
function checkSurroundings(config: ServerConfig): void {
  const { fd, renderNode, socketPath, controlPath, resourceBridge, writeBelow } = config;
  if (fd !== undefined) explained(`--fd ${fd}`, () => inheritedSocketState(fd));
  if (renderNode !== undefined && !isDrmNode(renderNode)) {
    const why = existsSync(renderNode)
      ? "is no DRM node, such as /dev/dri/renderD128"
      : "is not there; without this setting the first node that works is taken, or the CPU";
    throw new ConfigError(`--render-node ${renderNode}: ${why}`);
  }
  const none = writeBelow.find((path) => !statSync(path, { throwIfNoEntry: false })?.isDirectory());
  // The sandbox opens what is there when it closes, and nothing that is made later.
  if (none !== undefined) throw new ConfigError(`--write-below: there is no folder ${none}: make it first`);
  const paths = [...(fd === undefined ? [socketPath] : []), controlPath, ...resourceBridge];
  const twice = paths.find((path, index) => paths.indexOf(path) < index);
  if (twice !== undefined)
    throw new ConfigError(`${twice} is to be two sockets: give each a path of its own`);
  for (const path of fd === undefined ? [socketPath, controlPath] : [controlPath]) {
    explained("no place for sockets", () => ensureRuntimeDirectory(dirname(path)));
  }
}

function enter({ config, file }: Served): Sandbox {
  const descriptors = config.fd === undefined ? [] : [config.fd];
  return Sandbox.enter("server", config, {
    ...begun,
    descriptors,
    files: [file, config.restore].filter((one) => typeof one === "string"),
  });
}

/** Loaded in the sandbox alone: the process that begins anew there has no use for it. */
async function serveInside(sandbox: Sandbox, request: Served, ctl: string): Promise<number> {
  if (request.config.isolation === "process") adoptOrphans();
  const { serve } = await import("./served-device.ts");
  return await serve(request, ctl, sandbox);
}
