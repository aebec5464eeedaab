// What the ctrl queue receives.

import { z } from "zod";
import { CursorStatesTold } from "../cursor/messages.ts";
import { OutputsTold } from "../display/messages.ts";
import { DriverExpected, queueMessages, RecordingStop, VmmDisplay } from "../queue/messages.ts";
import { fd, token, u32 } from "../runtime/fields.ts";

export const DisplayMode = z.object({ x: u32, y: u32, width: u32, height: u32, enabled: z.boolean() });
export type DisplayMode = z.infer<typeof DisplayMode>;

const Break = z.object({ holder: z.int(), filter: z.string() });
export type Break = z.infer<typeof Break>;

/** A snapshot in so many bytes of a file, and what 3D contexts it lacks; or fd -1, and `error` says why. */
export const StateTold = z.object({
  type: z.literal("state"),
  token,
  error: z.string(),
  fd,
  bytes: z.int().nonnegative(),
  resources: z.int().nonnegative(),
  contexts: z.array(z.string()),
});
export type StateTold = z.infer<typeof StateTold>;

/** A snapshot is kept for the guest that goes on, whoever dies; or `error` says what is wrong with it. */
export const RestoreTold = z.object({ type: z.literal("restore"), token, error: z.string() });

export const CtrlQueueMessage = z.discriminatedUnion("type", [
  ...queueMessages,
  VmmDisplay,
  DriverExpected,
  /** What has the guest made? */
  z.object({ type: z.literal("ask-inventory"), token }),
  /** What does a resource look like now? */
  z.object({ type: z.literal("ask-picture"), token, resource: u32 }),
  /** Stop at commands that these filters hold for, each of somebody who may go; an empty list ends it. */
  z.object({ type: z.literal("set-breaks"), breaks: z.array(Break).max(64) }),
  /** Let so many commands run, and stop again. */
  z.object({ type: z.literal("step"), count: u32 }),
  /** Go on. */
  z.object({ type: z.literal("resume") }),
  /** The display's answers to questions with the same token. */
  z.object({ type: z.literal("display-info"), token, modes: z.array(DisplayMode).max(16) }),
  z.object({ type: z.literal("edid"), token, edid: z.instanceof(Uint8Array) }),
  /**
   * The session's answers about host-visible memory. `taken`: something else is mapped there; `full`: the front-end takes no
   * more; `failed`: it is not mapped, or that is not known.
   */
  z.object({ type: z.literal("mapping"), token, outcome: z.enum(["mapped", "taken", "full", "failed"]) }),
  z.object({ type: z.literal("unmapping"), token, isDone: z.boolean() }),
  /** The front-end maps nothing any more, and what it had mapped cannot be taken back. */
  z.object({ type: z.literal("mappings-lost") }),
  /** The display no longer uses a surface that was dropped. */
  z.object({ type: z.literal("surface-released"), surface: z.int() }),
  /** The display had no room to map a surface, and will not show it: it wants to be offered the picture again later. */
  z.object({ type: z.literal("surface-refused"), surface: z.int() }),
  /** Which surfaces the display can show by dma-buf: any at all, and such as have a format modifier. At first none. */
  z.object({ type: z.literal("sinks-changed"), dmabuf: z.boolean(), modifiers: z.boolean() }),
  /** Copy a resource's pixels into the cursor pool's `slot`, after the commands that already wait. */
  z.object({ type: z.literal("ask-cursor-image"), token, resource: u32, slot: z.int().nonnegative() }),
  /** Lend the pixels of a resource, by its id or its UUID, after the commands that already wait. */
  z.object({ type: z.literal("ask-buffer"), token, resource: z.union([u32, z.guid()]) }),
  /** Lend a fence by the halves of the id that the guest gave it, after the commands that already wait. */
  z.object({
    type: z.literal("ask-fence"),
    token,
    fenceHigh: u32,
    fenceLow: u32,
  }),
  /** It is time to ask a renderer that has no descriptor for fences. */
  z.object({ type: z.literal("poll-renderer") }),
  /** Fences have been out for a while: which are too old? Answered with `pending`. */
  z.object({ type: z.literal("check-fences") }),
  /** Tell the recorder what is done from now on, beginning with the state. Answered with `recording-start`. */
  z.object({ type: z.literal("ask-recording-start"), token, checksums: z.boolean() }),
  RecordingStop,
  /** What has the guest, as the bytes of a snapshot? `isWhole`: with all of it, or none. Asked by supervisor and session. */
  z.object({ type: z.literal("ask-state"), token, isWhole: z.boolean() }),
  /** Keep such bytes for a guest that comes and goes on. */
  z.object({ type: z.literal("ask-restore"), token, fd, bytes: z.int().positive() }),
  /** What others have of a snapshot. */
  CursorStatesTold,
  OutputsTold,
  /** A question of the supervisor. */
  z.object({ type: z.literal("ask-description"), token }),
]);
export type CtrlQueueMessage = z.infer<typeof CtrlQueueMessage>;
