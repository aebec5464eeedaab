// The kinds of values that a setting, or a field of a request to the server, may have, with a word on what is wanted.
// They are written out, and no zod: every start of the server would wait for it, and keep it in memory.

import { isAbsolute, join } from "node:path";
import { groupId } from "./transport/os/groups.ts";

/** Says what is wanted instead of a value. */
export class ValueError extends Error {}

export class Kind<T> {
  constructor(
    /** Makes sense of a value as it was given, which is undefined where it was not. Throws a {@link ValueError}. */
    readonly read: (given: unknown) => T,
  ) {}

  /** The same, or what `make` returns where nothing is given. */
  orElse<Other>(make: () => Other): Kind<T | Other> {
    return new Kind((given) => (given === undefined ? make() : this.read(given)));
  }

  default(fallback: T): Kind<T> {
    return this.orElse(() => fallback);
  }

  optional(): Kind<T | undefined> {
    return this.orElse(() => undefined);
  }
}

/** Returns `given`; throws unless it is a string in which `pattern` finds something. */
function textLike(given: unknown, wanted: string, pattern = /^/): string {
  if (typeof given === "string" && pattern.test(given)) return given;
  throw new ValueError(wanted);
}

/** A whole number, or its decimal digits: nothing that merely converts to one, such as "". */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  return new Kind((given) => {
    const value = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) {
      return value as number;
    }
    throw new ValueError(`want a whole number from ${min} to ${max}`);
  });
}

const units = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** Bytes: a whole number, or one with a unit of powers of 1024 behind it, such as 512M. */
export function byteCount(min = 0, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  const plain = integer(min, max);
  return new Kind((given) => {
    const [, digits, unit] = /^(\d+)([KMGT])(?:iB)?$/i.exec(typeof given === "string" ? given : "") ?? [];
    const factor = unit === undefined ? 1 : units[unit.toUpperCase() as keyof typeof units];
    try {
      return plain.read(digits === undefined ? given : Number(digits) * factor);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const most = max === Number.MAX_SAFE_INTEGER ? "" : ` to ${byteText(max)}`;
      const least = most === "" && min === 0 ? "" : ` from ${byteText(min)}`;
      throw new ValueError(`want bytes${least}${most}, such as 64M`);
    }
  });
}

/** Descriptors of a ring (virtio 1.3 §2.7). */
export const RingSize = new Kind((given) => {
  const size = integer(2, 32_768).read(given);
  if ((size & (size - 1)) === 0) return size;
  throw new ValueError("want a power of two from 2 to 32768");
});

const windowBytesMin = 4096;
const windowBytesMax = 8 * units.G;

/** The size of a PCI BAR of memory; 0 for none. */
export const WindowBytes = new Kind((given) => {
  const bytes = byteCount(0, windowBytesMax).read(given);
  // Beyond 32 bits: no bitwise test.
  if (bytes === 0 || (bytes >= windowBytesMin && Number.isInteger(Math.log2(bytes)))) return bytes;
  throw new ValueError("want a power of two from 4K to 8G, or 0");
});

/** As short as it can be given. */
export function byteText(bytes: number): string {
  const [unit, size] = Object.entries(units).findLast(([, one]) => bytes >= one && bytes % one === 0) ?? [
    "",
    1,
  ];
  return `${bytes / size}${unit}`;
}

export function oneOf<const Words extends readonly string[]>(words: Words): Kind<Words[number]> {
  return new Kind((given) => {
    if (words.includes(given as string)) return given as Words[number];
    throw new ValueError(`want one of ${words.join(", ")}`);
  });
}

export const PathName = new Kind((given) => textLike(given, "want a path", /./s));

export const AbsolutePath = new Kind((given) => {
  if (typeof given === "string" && isAbsolute(given)) return given;
  throw new ValueError("want an absolute path");
});

export const Paths = (countMax: number): Kind<string[]> =>
  new Kind((given) => {
    if (!Array.isArray(given)) throw new ValueError('want an array of paths, such as ["/run/bridge.sock"]');
    const paths = given.map((one) => PathName.read(one));
    if (paths.length > countMax) throw new ValueError(`want ${countMax} paths at most`);
    if (new Set(paths).size < paths.length) throw new ValueError("want each path once");
    return paths;
  });

export const Switch = new Kind((given) => {
  if (typeof given === "boolean") return given;
  throw new ValueError("want true or false, in the environment 1 or 0");
}).default(false);

const frameRateMax = 1_000;

/** Pictures a second; undefined where the output says. */
export const FrameRate = new Kind<number | "unlimited">((given) => {
  if (given === "unlimited") return given;
  try {
    return integer(1, frameRateMax).read(given);
  } catch (error) {
    if (error instanceof ValueError) throw new ValueError(`${error.message}, or unlimited`);
    throw error;
  }
}).optional();

/** What an EDID can say and a driver takes: Linux' virtio_gpu refuses what is smaller. */
const sideMin = 32;
const sideMax = 16_384;

/** Throws a {@link ValueError}. */
export function readMode(text: string): { width: number; height: number } {
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(text)?.map(Number) ?? [];
  if (width === undefined || height === undefined) {
    throw new ValueError("want WIDTHxHEIGHT, such as 1280x800");
  }
  if (Math.min(width, height) < sideMin || Math.max(width, height) > sideMax) {
    throw new ValueError(`an output has ${sideMin} to ${sideMax} pixels each way`);
  }
  return { width, height };
}

/** Modes with commas between them. */
export const Modes = (countMax: number) =>
  new Kind((given) => {
    const wanted = 'want modes with commas between them, such as "1280x800,640x480"';
    const modes = textLike(given, wanted).split(",").map(readMode);
    if (modes.length > countMax) throw new ValueError(`want ${countMax} outputs at most`);
    return modes;
  });

/** Permissions to connect to a socket; its owner always may. */
export const SocketMode = new Kind((given) => {
  const text = textLike(given, 'want three octal digits in quotes, such as "660"');
  const wanted = "want three octal digits that give its owner 6 and nobody more, such as 660";
  return Number.parseInt(textLike(text, wanted, /^0?6[0246][0246]$/), 8);
});

/** A group's number. */
export const Group = new Kind((given) => {
  const text = textLike(given, "want a group's name, or its number in quotes");
  const id = groupId(text);
  if (id !== null) return id;
  throw new ValueError(`there is no group ${text} in /etc/group; one from elsewhere is given by its number`);
});

/** What a socket's address has room for (unix(7)). */
const socketPathBytesMax = 107;

/** The path of a compositor's socket: "1" or true is the session's, "0" or false is none. */
export const Compositor = new Kind((given) => {
  if (given === undefined || given === false || given === "0") return undefined;
  if (given === "") throw new ValueError("want a socket's name or path");
  const isDefault = given === true || given === "1";
  const name = isDefault
    ? (process.env["WAYLAND_DISPLAY"] ?? "wayland-0")
    : textLike(given, "want a socket's name or path, or true or false");
  const directory = process.env["XDG_RUNTIME_DIR"] ?? "";
  if (!isAbsolute(name) && !isAbsolute(directory)) {
    throw new ValueError(`XDG_RUNTIME_DIR does not say where the socket ${name} is`);
  }
  const path = isAbsolute(name) ? name : join(directory, name);
  if (Buffer.byteLength(path) <= socketPathBytesMax) return path;
  throw new ValueError(`the path of a socket has at most ${socketPathBytesMax} bytes: ${path}`);
});

/** Where the inspector listens. "1" or true is a free port of the loopback, "0" or false none. */
export interface Address {
  hostname: string;
  port: number;
  /** Whether somebody named the host, who thereby wants others to reach it. */
  isNamed: boolean;
}

export const InspectAddress = new Kind<Address | undefined>((given) => {
  if (given === undefined || given === false || given === "0") return undefined;
  if (given === true || given === "1") return { hostname: "127.0.0.1", port: 0, isNamed: false };
  const wanted = "want an address with its port behind a colon, a port alone, or true or false";
  const [, host = "", port = ""] =
    /^(?:(\[[\da-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})$/.exec(textLike(given, wanted)) ?? [];
  if (port === "" || Number(port) > 0xffff) throw new ValueError(wanted);
  if (host === "") return { hostname: "127.0.0.1", port: Number(port), isNamed: false };
  return { hostname: host.replace(/^\[|\]$/g, ""), port: Number(port), isNamed: true };
});
