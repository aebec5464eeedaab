// The sandbox of a server: given up before it begins, and closed once all that it needs is open.

import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import type { ServerConfig } from "../../config.ts";
import { ConfigError } from "../../config-error.ts";
import {
  beginAnew,
  confinedAs,
  confineThread,
  layer,
  type Layers,
} from "../../transport/os/sandbox/confine.ts";
import { filterCalls, filterLack } from "../../transport/os/sandbox/seccomp.ts";
import { kinds, type ProcessKind } from "./kinds.ts";
import { OutsideSandbox } from "./outside.ts";
import { type Call, ownShaderCache, writableFolders } from "./reach.ts";
import { describeLayers, firstLack, report, type Said } from "./report.ts";

export class Sandbox {
  private constructor(
    private readonly kind: ProcessKind,
    private readonly config: ServerConfig,
    private readonly layers: Layers,
    private readonly directory: string,
  ) {}

  /**
   * The sandbox of this process. One that has none yet takes it on and begins anew, and this does not return. Throws a {@link ConfigError}
   * where the settings want one that cannot be had.
   */
  static enter(name: keyof typeof kinds, config: ServerConfig, call: Call): Sandbox {
    const kind: ProcessKind = kinds[name];
    const had = confinedAs();
    if (config.sandbox === "off") return new Sandbox(kind, config, {}, call.directory);
    if (had !== null) return new Sandbox(kind, config, had, call.directory);
    const layers = confineThread({ reach: kind.reach(config, call), keptCapabilities: kind.kept(config) });
    const lack = filterLack();
    if (lack !== null) layers.calls = { holds: false, lack };
    const refusal = config.sandbox === "on" ? firstLack(layers) : null;
    if (refusal !== null) throw new ConfigError(refusal);
    call.goBack();
    const cache = call.environment["MESA_SHADER_CACHE_DIR"] || ownShaderCache(call.environment);
    const own = cache === null ? {} : { MESA_SHADER_CACHE_DIR: cache };
    return beginAnew(layers, { ...call.environment, ...own }, call.descriptors);
  }

  /**
   * From here on this process calls what its kind does that is up, and starts programs or none. Returns what there is to say of the sandbox, and why it is not
   * what the settings want; null where it is.
   */
  close(startsPrograms: boolean): {
    said: Said[];
    refusal: string | null;
  } {
    const { config, layers } = this;
    if (config.sandbox === "off") {
      const text = "sandbox: none, by --sandbox off: a guest that breaks in may do all that this user may";
      return { said: [{ level: "warning", text }], refusal: null };
    }
    const policy = this.kind.calls(config, startsPrograms);
    if (layers.calls === undefined) {
      const count = Object.keys(policy.rules).length;
      layers.calls = layer(`${count} system calls`, () => filterCalls(policy));
    }
    return { said: report(layers), refusal: config.sandbox === "on" ? firstLack(layers) : null };
  }

  /** Throws an {@link OutsideSandbox} that says where files may be, where a server may not write to this one. */
  checkFile(path: string): void {
    if (this.layers.files?.holds !== true || path.startsWith("/dev/")) return;
    const folder = realPath(dirname(path));
    const folders = writableFolders(this.config, this.directory);
    // One that is not there is told as everywhere.
    if (folder === null || folders.some((one) => isBelow(folder, realPath(one)))) return;
    throw new OutsideSandbox(
      `the server's sandbox lets nothing be written to ${dirname(path)}: start it with --write-below ${dirname(path)}, ` +
        `or choose a file in ${folders.join(" or ")}`,
    );
  }

  /** For `ctl status`. */
  describe(): Record<string, unknown> {
    return { setting: this.config.sandbox, ...describeLayers(this.layers) };
  }
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    // It is not there, or nothing of it is to be seen.
    return null;
  }
}

const isBelow = (folder: string, other: string | null): boolean =>
  other !== null && `${folder}/`.startsWith(other === "/" ? "/" : `${other}/`);
