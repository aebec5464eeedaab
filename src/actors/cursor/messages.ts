// What the cursor queue receives.

import { z } from "zod";
import { DriverExpected, queueMessages, RecordingStop, VmmDisplay } from "../queue/messages.ts";
import { scanoutId, token, u32 } from "../runtime/fields.ts";

/** A cursor that has an image, which lies in a slot of the area "cursor-images". */
const CursorState = z.object({
  scanout: scanoutId,
  slot: z.int().nonnegative(),
  x: z.int(),
  y: z.int(),
  hotX: u32,
  hotY: u32,
  isVisible: z.boolean(),
});
const CursorStates = z.array(CursorState).max(16);
export type CursorState = z.infer<typeof CursorState>;

/** All cursors that have an image. */
export const CursorStatesTold = z.object({ type: z.literal("cursor-states"), token, cursors: CursorStates });

export const CursorQueueMessage = z.discriminatedUnion("type", [
  ...queueMessages,
  VmmDisplay,
  DriverExpected,
  /** Tell the recorder what is done from now on, or what all cursors are. */
  z.object({ type: z.literal("start-recording") }),
  z.object({ type: z.literal("record-cursors") }),
  RecordingStop,
  /** Where are the cursors? Asked by the ctrl queue. */
  z.object({ type: z.literal("ask-cursor-states"), token }),
  /** Those of a guest that goes on here. */
  z.object({ type: z.literal("take-cursors"), cursors: CursorStates }),
  /**
   * The pixels are in the slot that was asked for, or `error` is the virtio response code that says why not. Where they
   * are no cursor's for their size alone, there is no error, nothing new, and the image before stays.
   */
  z.object({ type: z.literal("cursor-image"), token, error: z.int(), isNew: z.boolean() }),
]);
export type CursorQueueMessage = z.infer<typeof CursorQueueMessage>;
