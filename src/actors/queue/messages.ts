// What the vhost session tells both queue actors, and what they answer.
//
// Descriptors in messages change owner: the receiver closes them. -1 means none.

import { z } from "zod";
import { address, fd, token, u32 } from "../runtime/fields.ts";

/**
 * The whole memory table; a region that the actor already has (by id) comes without an fd. `ringFollows`: for one that was restarted, and
 * whose ring goes on.
 */
const Memory = z.object({
  type: z.literal("map-memory"),
  regions: z.array(z.object({ id: z.int(), guestAddress: address, size: address, fd, fdOffset: address })),
  ringFollows: z.boolean().optional(),
  token,
});

/** Where to record dirty pages; fd -1 ends the recording. */
const Log = z.object({ type: z.literal("log-pages"), fd, offset: address, size: address, token });

/** A ring that is ready to run: guest-physical addresses, descriptors, and the first index to look at. */
export const RingStart = z.object({
  type: z.literal("start-ring"),
  num: z.int().min(1).max(32768),
  desc: address,
  avail: address,
  used: address,
  /** Where the used ring lies for the dirty log, or -1. */
  usedLog: z.int().min(-1),
  /** The next avail index, or -1 to go on at the used index (an actor that was restarted). */
  base: z.int().min(-1).max(0xffff),
  enabled: z.boolean(),
  eventIdx: z.boolean(),
  /** The device features that the driver has negotiated: bits 0 to 23 (virtio 1.3 §5.7.3). */
  features: u32,
  /** Bytes of the shared memory region that the driver sees, or 0. */
  sharedMemoryBytes: address,
  kickFd: fd,
  callFd: fd,
  errFd: fd,
  inflightFd: fd,
  inflightOffset: address,
  /** Entries of the inflight record, at least `num`. */
  inflightNum: z.int().min(0).max(32768),
  token,
});

/** A running ring's used ring is logged from now on, or with -1 no longer. */
const RingLog = z.object({ type: z.literal("log-ring"), usedLog: z.int().min(-1) });
const RingCall = z.object({ type: z.literal("set-ring-call"), callFd: fd });
const RingError = z.object({ type: z.literal("set-ring-err"), errFd: fd });
const RingEnable = z.object({ type: z.literal("enable-ring"), enabled: z.boolean(), token });
const RingStop = z.object({ type: z.literal("stop-ring"), token });
/** The device goes back to its state before the driver's first command. */
const Reset = z.object({ type: z.literal("reset"), token });

/** Whether the VMM shows the pictures itself, and so may have more outputs than were configured here. */
export const VmmDisplay = z.object({
  type: z.literal("vmm-display-changed"),
  isConnected: z.boolean(),
  token,
});
export type VmmDisplay = z.infer<typeof VmmDisplay>;

/** A front-end has come, whose guest has yet to start its driver: time to prepare. */
export const DriverExpected = z.object({ type: z.literal("expect-driver") });

/** Tell the recorder nothing more. Answered with `recording-stop`. */
export const RecordingStop = z.object({ type: z.literal("ask-recording-stop"), token });

export const queueMessages = [
  Memory,
  Log,
  RingStart,
  RingLog,
  RingCall,
  RingError,
  RingEnable,
  RingStop,
  Reset,
] as const;

export type RingStart = z.infer<typeof RingStart>;
export type QueueMessage = z.infer<(typeof queueMessages)[number]>;
