// What the recorder receives.

import { z } from "zod";
import { fd, token } from "../runtime/fields.ts";

export const RecorderMessage = z.discriminatedUnion("type", [
  /** Record from now on, to a file of this absolute path. Answered with `recording`. */
  z.object({ type: z.literal("ask-recording"), token, path: z.string() }),
  /** As `ask-recording`, to whoever reads the pipe that this writes to, of whom `reader` says who it is. Answered with `recording-stream`. */
  z.object({
    type: z.literal("ask-recording-stream"),
    token,
    fd,
    reader: z.string(),
    checksums: z.boolean(),
  }),
  /** End the recording. Answered with `recording-end`. */
  z.object({ type: z.literal("ask-recording-end"), token }),
  /**
   * The ctrl queue has ended, in order or not, with its front-end; another one goes on with the recording. Answered with
   * `recording-pause` once nothing of the old one is left to take.
   */
  z.object({ type: z.literal("ask-recording-pause"), token, isInOrder: z.boolean() }),
  /** A queue writes from now on; what the ctrl queue knows of the device is the beginning of the file. */
  z.object({
    type: z.literal("recording-start"),
    token,
    /** Why it does not, or "". */
    error: z.string(),
    isFromStart: z.boolean(),
    /** 3D contexts that there are, of which nothing can be told. */
    contexts: z.number(),
    features: z.number(),
    renderer: z.record(z.string(), z.unknown()),
    storage: z.string(),
  }),
  /** A queue writes no more, and has written all. */
  z.object({ type: z.literal("recording-stop"), token }),
  /** A question of the supervisor. */
  z.object({ type: z.literal("ask-description"), token }),
]);
export type RecorderMessage = z.infer<typeof RecorderMessage>;
