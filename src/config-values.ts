// The kinds of values that a setting may have, as zod schemas with a word on what is wanted.

import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { groupId } from "./transport/os/groups.ts";

/** A whole number, or its decimal digits: nothing that merely converts to one, such as "". */
export const integer = (min = 0, max = Number.MAX_SAFE_INTEGER) => {
  const wanted = `want a whole number from ${min} to ${max}`;
  return z.preprocess(
    (value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value),
    z.int(wanted).min(min, wanted).max(max, wanted),
  );
};

export const oneOf = <const Words extends readonly string[]>(words: Words) =>
  z.enum(words, `want one of ${words.join(", ")}`);

export const PathName = z.string("want a path").min(1, "want a path");

export const Switch = z.boolean("want true or false, in the environment 1 or 0").default(false);

/** What an EDID can say and a driver takes: Linux' virtio_gpu refuses what is smaller. */
const sideMin = 32;
const sideMax = 16_384;

export const Mode = z
  .string()
  .regex(/^\d{1,5}x\d{1,5}$/, "want WIDTHxHEIGHT, such as 1280x800")
  .transform((text) => {
    const [width, height] = text.split("x").map(Number) as [number, number];
    return { width, height };
  })
  .refine(
    ({ width, height }) => Math.min(width, height) >= sideMin && Math.max(width, height) <= sideMax,
    `an output has ${sideMin} to ${sideMax} pixels each way`,
  );

/** Permissions to connect to a socket; its owner always may. */
export const SocketMode = z
  .string('want three octal digits in quotes, such as "660"')
  .regex(/^0?6[0246][0246]$/, "want three octal digits that give its owner 6 and nobody more, such as 660")
  .transform((text) => Number.parseInt(text, 8));

/** A group's number. */
export const Group = z.string("want a group's name, or its number in quotes").transform((text, context) => {
  const id = groupId(text);
  if (id !== null) return id;
  context.addIssue(`there is no group ${text} in /etc/group; one from elsewhere is given by its number`);
  return z.NEVER;
});

/** What a socket's address has room for (unix(7)). */
const socketPathBytesMax = 107;

/** The path of a compositor's socket: "1" or true is the session's, "0" or false is none. */
export const Compositor = z
  .union(
    [z.boolean(), z.string().min(1, "want a socket's name or path")],
    "want a socket's name or path, or true or false",
  )
  .optional()
  .transform((value, context) => {
    if (value === undefined || value === false || value === "0") return undefined;
    const name = value === true || value === "1" ? (process.env["WAYLAND_DISPLAY"] ?? "wayland-0") : value;
    const directory = process.env["XDG_RUNTIME_DIR"] ?? "";
    if (!isAbsolute(name) && !isAbsolute(directory)) {
      context.addIssue(`XDG_RUNTIME_DIR does not say where the socket ${name} is`);
      return z.NEVER;
    }
    const path = isAbsolute(name) ? name : join(directory, name);
    if (Buffer.byteLength(path) <= socketPathBytesMax) return path;
    context.addIssue(`the path of a socket has at most ${socketPathBytesMax} bytes: ${path}`);
    return z.NEVER;
  });
