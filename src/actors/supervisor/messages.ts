// What the supervisor receives from any actor.

import { z } from "zod";
import { OutputsTold } from "../display/messages.ts";
import { StateTold } from "../gpu/messages.ts";
import { CtxCreate } from "../../transport/wire/virtio-gpu/protocol.ts";
import { fd, token, u32 } from "../runtime/fields.ts";

export const SupervisorMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("started"), startsPrograms: z.boolean() }),
  z.object({ type: z.literal("stopped") }),
  /** The actor threw: this is its last message. */
  z.object({ type: z.literal("crashed"), reason: z.string() }),
  /** What the guest calls the context of the command amid which the sender's predecessor died: escape it. */
  z.object({ type: z.literal("context-named"), context: u32, name: z.string().max(CtxCreate.nameBytesMax) }),
  /** What came from an actor in another process made no sense: for the runtime. */
  z.object({ type: z.literal("peer-broken"), peer: z.string(), reason: z.string() }),
  z.object({
    type: z.literal("log"),
    level: z.enum(["debug", "info", "warning", "error"]),
    text: z.string(),
  }),
  /** The vhost session's state, for the device machine. */
  z.object({
    type: z.literal("session-changed"),
    state: z.enum(["listening", "connected", "running", "suspended", "closed"]),
  }),
  /** Something that the actor cannot go on without; the device ends with exit code 1. */
  z.object({ type: z.literal("failed"), reason: z.string() }),
  /** The settings ask for what cannot be had; the device ends with exit code 2. */
  z.object({ type: z.literal("misconfigured"), reason: z.string() }),
  /** Somebody asked for the end of the device, as by closing its window; `reason` is a clause of the last log line. */
  z.object({ type: z.literal("shut-down"), reason: z.string() }),
  /** A tightly packed copy of a scanout in bytes B, G, R, X; or fd -1, and `error` says why. */
  z.object({ type: z.literal("snapshot"), token, fd, width: u32, height: u32, error: z.string() }),
  OutputsTold,
  StateTold,
  /** A recording has begun, or has ended; `error` is "" or says why not, or why before its time. */
  z.object({ type: z.literal("recording"), token, error: z.string(), contexts: z.number() }),
  z.object({ type: z.literal("recording-stream"), token, error: z.string() }),
  /** The inspector has somebody who wants to read what is recorded, from this pipe. Answered with `stream`. */
  z.object({
    type: z.literal("ask-stream"),
    token,
    fd,
    reader: z.string(),
    checksums: z.boolean(),
  }),
  z.object({
    type: z.literal("recording-end"),
    token,
    error: z.string(),
    /** Of the recording that has ended. */
    path: z.string(),
    bytes: z.number(),
  }),
  /** Whoever may ask on the control socket may open this: it has the token. */
  z.object({ type: z.literal("inspector-opened"), url: z.string() }),
  /** The trace that was asked for has ended by itself; the log says why. */
  z.object({ type: z.literal("trace-ended") }),
  /** All of the trace is in its file, whose bytes that many are. */
  z.object({ type: z.literal("trace-end"), token, bytes: z.int().nonnegative() }),
  z.object({ type: z.literal("recording-pause"), token }),
  /** A front-end has gone, whose guest the ctrl queue's process has served: it shall serve no other. Answered with `renewal`. */
  z.object({ type: z.literal("ask-renewal"), token }),
  /** The inspector wants what `ctl status` says of the actors. */
  z.object({ type: z.literal("ask-status"), token }),
  /** An actor's own account of its state, for status and the inspector. */
  z.object({ type: z.literal("description"), token, state: z.record(z.string(), z.unknown()) }),
]);
export type SupervisorMessage = z.infer<typeof SupervisorMessage>;
