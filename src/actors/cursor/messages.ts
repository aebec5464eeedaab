// What the cursor queue receives.

import { z } from "zod";
import { DriverExpected, queueMessages, RecordingStop, VmmDisplay } from "../queue/messages.ts";
import { token } from "../runtime/fields.ts";

export const CursorQueueMessage = z.discriminatedUnion("type", [
  ...queueMessages,
  VmmDisplay,
  DriverExpected,
  /** Tell the recorder what is done from now on, or what all cursors are. */
  z.object({ type: z.literal("start-recording") }),
  z.object({ type: z.literal("record-cursors") }),
  RecordingStop,
  /**
   * The pixels are in the slot that was asked for, or `error` is the virtio response code that says why not. Where they
   * are no cursor's for their size alone, there is no error, nothing new, and the image before stays.
   */
  z.object({ type: z.literal("cursor-image"), token, error: z.int(), isNew: z.boolean() }),
]);
export type CursorQueueMessage = z.infer<typeof CursorQueueMessage>;
