// Makes src/transport/wire/wayland/protocol.ts from the protocols' XML, as Debian's libwayland-dev and wayland-protocols
// install it.
//
// Each interface is made up to the version that Fencepost speaks, so that a newer XML gives the same file.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readCommandLine, refuse } from "./lib/command-line.ts";
import { type Argument, type Enum, type Interface, type Message, readProtocol } from "./lib/wayland-xml.ts";

const help = `Makes the Wayland protocols that Fencepost speaks from the XML of libwayland-dev and wayland-protocols.

Usage: bun scripts/generate-wayland.ts [FILE]

FILE is what is written (default: src/transport/wire/wayland/protocol.ts).`;

/** Where the XML is, and the version of each interface that Fencepost speaks. */
const wanted: Record<string, Record<string, number>> = {
  "/usr/share/wayland/wayland.xml": {
    wl_display: 1,
    wl_registry: 1,
    wl_callback: 1,
    wl_compositor: 4,
    wl_shm_pool: 1,
    wl_shm: 1,
    wl_buffer: 1,
    wl_surface: 4,
    wl_seat: 5,
    wl_pointer: 5,
    wl_output: 2,
  },
  "/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml": {
    xdg_wm_base: 2,
    xdg_surface: 2,
    xdg_toplevel: 2,
  },
  "/usr/share/wayland-protocols/stable/viewporter/viewporter.xml": { wp_viewporter: 1, wp_viewport: 1 },
  "/usr/share/wayland-protocols/staging/fractional-scale/fractional-scale-v1.xml": {
    wp_fractional_scale_manager_v1: 1,
    wp_fractional_scale_v1: 1,
  },
  "/usr/share/wayland-protocols/unstable/xdg-decoration/xdg-decoration-unstable-v1.xml": {
    zxdg_decoration_manager_v1: 1,
    zxdg_toplevel_decoration_v1: 1,
  },
  "/usr/share/wayland-protocols/unstable/linux-dmabuf/linux-dmabuf-unstable-v1.xml": {
    zwp_linux_dmabuf_v1: 4,
    zwp_linux_buffer_params_v1: 4,
    zwp_linux_dmabuf_feedback_v1: 4,
  },
};

/** The enums that are used; most numbers of the protocols are not. */
const enums = new Set([
  "wl_seat.capability",
  "xdg_toplevel.state",
  "zwp_linux_buffer_params_v1.flags",
  "zxdg_toplevel_decoration_v1.mode",
]);

const versions: Record<string, number> = Object.assign({}, ...Object.values(wanted));

const sources: readonly string[] = Object.keys(wanted);

/** The text of protocol.ts, before it is formatted. */
function generate(): string {
  const parts = Object.entries(wanted).flatMap(([path, names]) => {
    const interfaces = readProtocol(readFileSync(path, "utf8"));
    return Object.keys(names).map((name) => generateInterface(interfaces.get(name)!));
  });
  return [
    "// The Wayland protocols that Fencepost speaks. Made by scripts/generate-wayland.ts: change that instead.",
    'import { type Interface, parseMessages } from "./descriptions.ts";\nimport { type Named, WaylandObject } from "./object.ts";',
    ...parts,
  ].join("\n\n");
}

function generateInterface({ name, requests, events, enums: choices }: Interface): string {
  const version = versions[name]!;
  const spoken = ({ since }: { since: number }): boolean => since <= version;
  const className = classOf(name);
  const handlers = events.filter(spoken).flatMap((event) => handlerOf(event) ?? []);
  const signatures = (messages: Message[]): string =>
    messages
      .filter(spoken)
      .map((message) => JSON.stringify(signatureOf(message)))
      .join(",");
  return [
    handlers.length > 0 ? `export interface ${className}Events {${handlers.join("")}}\n\n` : "",
    `export class ${className} extends WaylandObject${handlers.length > 0 ? `<${className}Events>` : ""} {\n`,
    `static readonly interface: Interface = { name: "${name}", version: ${version},`,
    `requests: parseMessages([${signatures(requests)}]), events: parseMessages([${signatures(events)}]) };\n`,
    ...requests.filter(spoken).map(methodOf),
    "}",
    ...choices.filter((choice) => enums.has(`${name}.${choice.name}`)).map(enumOf(className, spoken)),
  ].join("");
}

/** As in "attach ?o=wl_buffer i i", which {@link parseMessages} reads. */
function signatureOf({ name, arguments: args }: Message): string {
  const codes = args.map((argument) => {
    const { type, interface: target, isNullable } = argument;
    const code = `${isNullable ? "?" : ""}${codeOf[type]}`;
    if (type === "new_id" && target === undefined) return `s u ${code}`;
    return target === undefined ? code : `${code}=${target}`;
  });
  return [name, ...codes].join(" ");
}

const codeOf: Record<string, string> = {
  int: "i",
  uint: "u",
  fixed: "f",
  string: "s",
  object: "o",
  new_id: "n",
  array: "a",
  fd: "h",
};

/** A request as a method; none for one whose objects are not spoken of here. */
function methodOf({ name, isDestructor, arguments: args }: Message, opcode: number): string {
  if (!args.every(isKnown)) return "";
  const made = args.find(({ type }) => type === "new_id");
  const given = args.filter((argument) => argument !== made);
  const parameters = given.map((argument) => `${variable(argument.name)}: ${typeOf(argument)}`);
  const values = `[${args.map((argument) => (argument === made ? "made" : variable(argument.name))).join(", ")}]`;
  const method = camel(name);
  if (made === undefined) {
    const send = `this.${isDestructor ? "requestEnd" : "request"}(${opcode}${given.length > 0 ? `, ${values}` : ""});`;
    return `\n${method}(${parameters.join(", ")}): void { ${send} }\n`;
  }
  if (made.interface === undefined) {
    const all = values.replace("made", "type.interface.name, version, made");
    return `\n${method}<Type extends WaylandObject>(${parameters.join(", ")}, type: Named<Type>, version: number): Type {
      const made = this.connection.create(type, version);
      this.request(${opcode}, ${all});
      return made;
    }\n`;
  }
  const type = classOf(made.interface);
  return `\n${method}(${parameters.join(", ")}): ${type} {
    const made = this.connection.create(${type}, this.version);
    this.request(${opcode}, ${values});
    return made;
  }\n`;
}

/** What hears of an event; none where the event makes an object. */
function handlerOf({ name, arguments: args }: Message): string | null {
  if (args.some(({ type }) => type === "new_id")) return null;
  const parameters = args.map((argument) => `${variable(argument.name)}: ${typeOf(argument)}`);
  return `${camel(name)}(${parameters.join(", ")}): void;\n`;
}

const enumOf =
  (className: string, spoken: (entry: { since: number }) => boolean) =>
  ({ name, entries }: Enum): string =>
    `\n\nexport const ${className}${classOf(name)} = {${entries
      .filter(spoken)
      .map((entry) => `${camel(entry.name)}: ${entry.value},`)
      .join("")}} as const;`;

function typeOf({ type, interface: target, isNullable }: Argument): string {
  const base = type === "object" ? objectTypeOf(target) : (typeNames[type] ?? "number");
  return isNullable ? `${base} | null` : base;
}

const typeNames: Record<string, string> = { string: "string", array: "Uint8Array" };

const objectTypeOf = (target: string | undefined): string =>
  target !== undefined && target in versions ? classOf(target) : "WaylandObject";

const isKnown = ({ interface: target }: Argument): boolean => target === undefined || target in versions;

const camel = (name: string): string =>
  name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
/** The one argument whose name is a word of TypeScript's is wl_registry.global's. */
const variable = (name: string): string => (name === "interface" ? "interfaceName" : camel(name));
const classOf = (name: string): string => camel(`_${name}`);

if (import.meta.main) {
  const { positionals } = readCommandLine(help, { allowPositionals: true });
  if (positionals.length > 1) refuse("want one FILE at most");
  const missing = sources.filter((path) => !existsSync(path));
  if (missing.length > 0) {
    refuse(`${missing.join(", ")} is not there: install libwayland-dev and wayland-protocols`, 1);
  }
  const file = positionals[0] ?? `${import.meta.dir}/../src/transport/wire/wayland/protocol.ts`;
  writeFileSync(file, generate());
  const { success } = Bun.spawnSync(["bun", "fmt", "--no-script", file], { cwd: `${import.meta.dir}/..` });
  process.exit(success ? 0 : 1);
}
