// What `--help` says of the settings.

import { flagOf } from "./config-flag.ts";
import { type Setting, settings } from "./config-settings.ts";
import { byteText } from "./config-values.ts";

/** `call` is how the server was called. */
export function helpText(call: string): string {
  const lines = [
    "Fencepost: a virtio-gpu device server. Runs beside a VMM and is its guest's graphics card.",
    "",
    `Usage: ${call} [flags]`,
    "",
    "Start it, then start QEMU with the flags that it prints. Ctrl-C stops it.",
  ];
  for (const group of ["Connection", "Device", "Display", "Limits", "Operation"] as const) {
    lines.push("", `${group}:`);
    for (const [name, setting] of Object.entries<Setting>(settings)) {
      if (setting.group === group) lines.push(flagHelp(name, setting));
    }
  }
  lines.push(
    row("-h, --help", "this text"),
    row("-V, --version", "the version"),
    row("--print-capabilities", "what this back-end can do, as JSON for management software"),
    row("--virgl", "taken from management software, which gives it to any server; see --renderer"),
    "",
    "Each flag is also an environment variable (--poll-us is FENCEPOST_POLL_US) and a key of the --config file (pollUs).",
    "One that may be given more than once has colons between its values in the environment, and is an array in the file.",
    "An empty variable counts as none. BYTES may have a unit, such as 512M or 4G. The file is JSON, and may have comments.",
    "Paths are relative to the directory of the call. A socket of systemd's (LISTEN_FDS) counts as FENCEPOST_FD.",
    "A second signal, half a second later or more, ends a server that is stopping at once.",
    "Exit codes: 0 stopped as asked, 1 the device could not go on, 2 the settings make no sense or ask for what cannot be",
    "had, 3 an actor was lost, 4 an actor did not stop in time.",
  );
  return lines.join("\n");
}

function flagHelp(name: string, setting: Setting): string {
  const { value, bare, short } = setting;
  const shape = value === undefined ? "" : bare === undefined ? ` ${value}` : `[=${value}]`;
  const flag = `${short === undefined ? "" : `-${short}, `}--${flagOf(name)}${shape}`;
  const fallback = setting.kind.read(undefined);
  return row(flag, setting.help + (shownDefaults[name] ?? shownDefault(fallback, value)));
}

function shownDefault(fallback: unknown, value: string | undefined): string {
  if (typeof fallback === "number" && value === "BYTES") return ` (default: ${byteText(fallback)})`;
  return typeof fallback === "string" || typeof fallback === "number" ? ` (default: ${fallback})` : "";
}

/** Of settings whose value is not what is written. */
const shownDefaults: Record<string, string> = {
  outputs: " (default: 1280x800)",
  socketMode: " (default: 600)",
};

const row = (flag: string, help: string): string => `  ${flag.padEnd(27)}  ${help}`;
