// What the inspector receives: answers to its questions, where the ctrl queue stops, and what the supervisor wants of it.

import { z } from "zod";
import { OutputsTold } from "../display/messages.ts";
import { fd, token, u32 } from "../runtime/fields.ts";

const Account = z.record(z.string(), z.unknown());

/** A request of a guest's, or its beginning. */
const bytes = z.instanceof(Uint8Array);

/** Whether the ctrl queue is paused, and where. */
const BreakChanged = z.object({
  type: z.literal("break-changed"),
  isPaused: z.boolean(),
  /** How often it has come to rest. */
  stops: z.int(),
  /** Commands that it may still run though it is paused. */
  steps: u32,
  /** Before a command, by an answer, for a fence, or after a step. */
  why: z.enum(["before", "answer", "wait", "step"]),
  sinceNs: z.number(),
  /** Whose breaks hold it. */
  holders: z.array(z.int()),
  /** What runs next, with the bytes that it has in all; null where nothing is there. */
  next: z.object({ number: u32, bytes: z.int(), request: bytes }).nullable(),
  /** Commands behind that. */
  behind: z.int(),
  /** The command whose answer or fence it was. */
  cause: z.object({ number: u32, request: bytes, response: u32, waitedNs: z.number() }).nullable(),
});
export type BreakChanged = z.infer<typeof BreakChanged>;

export const InspectorMessage = z.discriminatedUnion("type", [
  /** The supervisor's account of all actors, as `ctl status` has it. */
  z.object({ type: z.literal("status"), token, state: Account }),
  /**
   * Pixels of a scanout, bytes B, G, R, X, tightly packed: what of the rectangle that was asked for lies in it. fd -1 where
   * it is off, or `error` says why. `surface` is what it shows, or 0.
   */
  z.object({
    type: z.literal("pixels"),
    token,
    fd,
    ...{ x: u32, y: u32, width: u32, height: u32, viewWidth: u32, viewHeight: u32 },
    surface: u32,
    error: z.string(),
  }),
  /** A resource, as `pixels`; fd -1 where `error` says why. */
  z.object({ type: z.literal("picture"), token, fd, width: u32, height: u32, error: z.string() }),
  /** The cursors that are shown, with the image of each in its turn in `fd`: 64 × 64 pixels B, G, R, A. fd -1 where there is none. */
  z.object({
    type: z.literal("cursors"),
    token,
    fd,
    cursors: z.array(z.object({ scanout: u32, x: z.int(), y: z.int(), hotX: u32, hotY: u32 })),
  }),
  OutputsTold,
  BreakChanged,
  /** A recording has begun for whoever reads the pipe; `error` is "" or says why not. */
  z.object({ type: z.literal("stream"), token, error: z.string() }),
  /** Makes a trace in `fd` from byte `bytes` on: takes over the descriptor. */
  z.object({ type: z.literal("start-trace"), fd, bytes: z.int().nonnegative() }),
  z.object({ type: z.literal("ask-trace-end"), token }),
  /** What the guest has made, as feed.ts has it. */
  z.object({
    type: z.literal("inventory"),
    token,
    resources: z.array(Account),
    contexts: z.array(Account),
    fences: z.array(Account),
  }),
]);
export type InspectorMessage = z.infer<typeof InspectorMessage>;
