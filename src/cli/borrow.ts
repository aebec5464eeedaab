// What `bun run bridge-client` does: borrows a resource from a running server's resource bridge, as another device would.

import { resolve } from "node:path";
import { readArguments, UsageError } from "../config-arguments.ts";
import { BridgeClient, type Lent } from "../transport/wire/bridge/client.ts";
import { readDmabuf } from "../picture/dmabuf.ts";
import { Fourcc, type Modifier, modifierName } from "../picture/drm-formats.ts";
import { SystemError } from "../transport/os/errors.ts";
import { closeFd, sizeOfFd } from "../transport/os/fds.ts";
import { writeWhole } from "../transport/os/files.ts";
import { encodePng } from "../picture/png.ts";
import { parseUuid } from "../transport/wire/uuid.ts";
import { bytesPerPixel } from "../transport/wire/virtio-gpu/protocol.ts";
import type { CallOf } from "./begin.ts";

const helpText = (
  call: string,
): string => `Borrows a resource from a server's resource bridge, prints how its pixels lie, and writes them as a picture.

Usage: ${call} PATH --resource ID [flags]
       ${call} PATH --uuid UUID [flags]

PATH is what the server was given as --resource-bridge.

Flags:
  --resource ID     the guest's number of the resource
  --uuid UUID       or what RESOURCE_ASSIGN_UUID told the guest of it
  --output FILE     write a PNG file
  --size WxH        of the picture (default: what lies in the buffer; the bridge does not tell sizes)
  --format NAME     DRM's name of its format (default: XRGB8888): ${Object.keys(Fourcc).slice(1, 4).join(", ")},
                    ${Object.keys(Fourcc).slice(4).join(", ")}
  --legacy          speak the bridge's form of 2019, which tells no stride: --output wants --size then
  -h, --help        this text

Exit codes: 0 done, 1 there is no such resource, or no bridge, or the pixels cannot be read, 2 a mistake in the command
line.`;

const exitFailed = 1;
const exitUsage = 2;
const u32Max = 0xffff_ffff;

interface Size {
  width: number;
  height: number;
}

interface Order {
  path: string;
  /** By its id or its UUID. */
  resource: number | string;
  legacy: boolean;
  output: string | undefined;
  size: Size | undefined;
  fourcc: number;
}

export async function main(args: string[], directory: string, callOf: CallOf): Promise<number> {
  try {
    const order = read(args, directory);
    if (order === null) {
      console.log(helpText(callOf("bridge-client")));
      return 0;
    }
    await borrow(order);
    return 0;
  } catch (error) {
    console.error(`bridge-client: ${(error as Error).message}`);
    return error instanceof UsageError ? exitUsage : exitFailed;
  }
}

/** Null asks for help. */
function read(args: string[], directory: string): Order | null {
  const { values, positionals } = parse(args);
  if (values.help) return null;
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0)
    throw new UsageError("want one PATH, that of a server's --resource-bridge: see --help");
  const resource = resourceOf(values);
  if (!Object.hasOwn(Fourcc, values.format)) throw new UsageError(`unknown format ${values.format}`);
  const { legacy, output } = values;
  if (legacy && typeof resource === "string") throw new UsageError("--legacy cannot ask by a --uuid");
  const size = values.size === undefined ? undefined : sizeOf(values.size);
  if (legacy && output !== undefined && size === undefined) {
    throw new UsageError("--legacy with --output wants --size");
  }
  return {
    path: resolve(directory, path),
    resource,
    legacy,
    output: output === undefined ? undefined : resolve(directory, output),
    size,
    fourcc: Fourcc[values.format as keyof typeof Fourcc],
  };
}

function parse(args: string[]) {
  return readArguments({
    args,
    allowPositionals: true,
    options: {
      resource: { type: "string" },
      uuid: { type: "string" },
      output: { type: "string" },
      size: { type: "string" },
      format: { type: "string", default: "XRGB8888" },
      legacy: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}

function resourceOf({ resource, uuid }: { resource?: string; uuid?: string }): number | string {
  if ((resource === undefined) === (uuid === undefined)) {
    throw new UsageError("want either --resource or --uuid");
  }
  if (uuid !== undefined) {
    const parsed = parseUuid(uuid);
    if (parsed === null) throw new UsageError("--uuid wants 32 hexadecimal digits, with or without dashes");
    return parsed;
  }
  const id = Number(resource);
  if (!/^\d+$/.test(resource!) || id > u32Max) {
    throw new UsageError("--resource wants a whole number of at most 32 bits");
  }
  return id;
}

function sizeOf(text: string): Size {
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(text)?.map(Number) ?? [];
  if (!width || !height) throw new UsageError("--size wants WIDTHxHEIGHT, such as 1280x800");
  return { width, height };
}

function connected({ path, legacy }: Order): BridgeClient {
  try {
    return new BridgeClient(path, { form: legacy ? "2019" : "json" });
  } catch (error) {
    const isNobody =
      error instanceof SystemError && ["ENOENT", "ECONNREFUSED", "EPROTOTYPE"].includes(error.code);
    if (!isNobody) throw error;
    throw new Error(`no bridge is at ${path}: --resource-bridge PATH has a server listen`, { cause: error });
  }
}

async function borrow(order: Order): Promise<void> {
  const client = connected(order);
  let lent: Lent;
  try {
    lent = client.ask({ kind: "buffer", resource: order.resource });
  } finally {
    client.close();
  }
  if (lent.kind !== "buffer") throw new Error(`resource ${order.resource} cannot be borrowed`);
  try {
    const layout = layoutOf(lent, order.size);
    console.log(JSON.stringify({ ...layout.told, bytes: sizeOfFd(lent.fd) }));
    if (order.output === undefined) return;
    const { size, stride, offset, modifier } = layout;
    const pixels = new Uint32Array(size.width * size.height);
    const image = { fd: lent.fd, ...size, stride, offset, fourcc: order.fourcc, flags: 0, ...modifier };
    readDmabuf(image, { x: 0, y: 0, ...size }, pixels);
    await writeWhole(order.output, await encodePng(new Uint8Array(pixels.buffer), size.width, size.height));
  } finally {
    closeFd(lent.fd);
  }
}

/** How the pixels lie, as told or guessed; `told` is for a person. */
function layoutOf(lent: Extract<Lent, { kind: "buffer" }>, size: Size | undefined) {
  const { planes, modifier: number } = lent;
  const { offset, stride } = planes?.[0] ?? { offset: 0, stride: (size?.width ?? 0) * bytesPerPixel };
  const modifier: Modifier = {
    modifierHigh: Number((number ?? 0n) >> 32n),
    modifierLow: Number((number ?? 0n) & 0xffff_ffffn),
  };
  const whole = {
    width: Math.floor(stride / bytesPerPixel),
    height: Math.floor((sizeOfFd(lent.fd) - offset) / stride),
  };
  const told = number === null ? {} : { planes, modifier: modifierName(modifier) };
  return { size: size ?? whole, stride, offset, modifier, told };
}
