// What there is to say of a sandbox: which layers it has, and which this host has none of.

import { type LayerName, layerNames, type Layers } from "../../transport/os/sandbox/confine.ts";

const mends: Readonly<Record<LayerName, string>> = {
  privileges: "run a kernel of 3.5 or later",
  capabilities: "run it as another user than root",
  limits: "run it where no other sandbox forbids setrlimit",
  files: "run a kernel of 5.13 or later with lsm=landlock among its parameters",
  calls: "run a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or arm64",
};

export interface Said {
  level: "info" | "warning";
  text: string;
}

/** For the log; `whose` is "sandbox", or what else has one. */
export function report(layers: Layers, whose = "sandbox"): Said[] {
  const held = layerNames.flatMap((name) => (layers[name]?.holds ? [layers[name].as] : []));
  const lacking = layerNames.flatMap((name): Said[] => {
    const one = layers[name];
    if (one === undefined || one.holds) return [];
    return [{ level: "warning", text: `the ${whose} goes without its layer "${name}": ${one.lack}` }];
  });
  return [{ level: "info", text: `${whose}: ${held.join(", ") || "none"}` }, ...lacking];
}

/** For `ctl status`: each layer by its name. */
export function describeLayers(layers: Layers): Record<string, string> {
  const said = layerNames.flatMap((name) => {
    const one = layers[name];
    return one === undefined ? [] : [[name, one.holds ? one.as : `none: ${one.lack}`] as const];
  });
  return Object.fromEntries(said);
}

/** What `--sandbox on` cannot have, and what mends it; null where it has all. */
export function firstLack(layers: Layers): string | null {
  for (const name of layerNames) {
    const one = layers[name];
    if (one !== undefined && !one.holds)
      return `--sandbox on: no layer "${name}": ${one.lack}; ${mends[name]}, or use --sandbox auto`;
  }
  return null;
}
