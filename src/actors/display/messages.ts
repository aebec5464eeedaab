// What the display receives.
//
// A surface is a resource's storage as the display sees it. Its id is never used twice, so a resource that is freed
// and created again is another surface. The sender keeps the storage until `surface-released` comes back.

import { z } from "zod";
import { address, fd, scanoutId, token, u32 } from "../runtime/fields.ts";

const i32 = z.int().min(-0x8000_0000).max(0xffff_ffff);

const Size = z.object({ width: u32.max(16_384), height: u32.max(16_384) });
const OutputChanges = z.object({
  changes: z.array(z.object({ output: scanoutId, isOn: z.boolean(), size: Size.nullable() })).max(16),
  isAll: z.boolean(),
});

const PictureSize = z.object({ width: u32, height: u32 });
/** The outputs that the guest has, each with the size of what it shows there; `error` is "" or says why they are not as was asked for. */
export const OutputsTold = z.object({
  type: z.literal("outputs"),
  token,
  error: z.string(),
  /** Who says the modes. */
  said: z.enum(["server", "vmm"]),
  outputs: z.array(
    z.object({
      ...{ output: u32, isOn: z.boolean(), x: u32, y: u32 },
      ...PictureSize.shape,
      shows: PictureSize.nullable(),
    }),
  ),
});

export const DisplayMessage = z.discriminatedUnion("type", [
  /** The VMM's display socket; another one replaces it. `socket`: its number, the same where a crashed display was using it. */
  z.object({ type: z.literal("take-vmm-socket"), fd, socket: z.int().positive() }),
  z.object({ type: z.literal("vmm-socket-closed") }),
  z.object({
    type: z.literal("add-surface"),
    surface: z.int(),
    fd,
    offset: address,
    bytes: address,
    stride: u32,
    width: u32,
    height: u32,
    /** A virtio format: the bytes of a pixel in memory order. */
    format: u32,
  }),
  /**
   * A surface in a guest's own pages, which nobody else is to have: of each piece, one behind the other in `bytes` bytes from
   * byte `offset` of the first, which of `regions` it lies in, the byte of that file, and its length in whole pages.
   */
  z.object({
    type: z.literal("add-guest-surface"),
    surface: z.int(),
    regions: z.array(z.object({ fd })),
    pieces: z.array(address).max(3 * 65_536),
    offset: u32,
    bytes: address,
    stride: u32,
    width: u32,
    height: u32,
    /** A virtio format. */
    format: u32,
  }),
  /**
   * A surface that only a GPU reads well. The VMM is given its descriptor; nobody here need be able to map it. QEMU
   * shows it from its first pixel, whatever rectangle is asked for, and the protocol knows no offset.
   */
  z.object({
    type: z.literal("add-dmabuf-surface"),
    surface: z.int(),
    fd,
    width: u32,
    height: u32,
    stride: u32,
    /** DRM_FORMAT_*, and the two halves of its format modifier. */
    fourcc: u32,
    modifierHigh: u32,
    modifierLow: u32,
    /** Bytes before the first row. */
    offset: u32,
    /** Bit 0: VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP. */
    flags: u32,
  }),
  z.object({ type: z.literal("drop-surface"), surface: z.int() }),
  /** Shows a rectangle of a surface; the whole scanout is damaged. */
  z.object({
    type: z.literal("show-scanout"),
    scanout: scanoutId,
    surface: z.int(),
    x: u32,
    y: u32,
    width: u32,
    height: u32,
  }),
  z.object({ type: z.literal("hide-scanout"), scanout: scanoutId }),
  /** Damage in the scanout's coordinates, inside of it. */
  z.object({ type: z.literal("flush"), scanout: scanoutId, x: u32, y: u32, width: u32, height: u32 }),
  /** Shows a cursor with the image that lies in a slot of the area "cursor-images". */
  z.object({
    type: z.literal("show-cursor"),
    scanout: scanoutId,
    slot: z.int(),
    x: i32,
    y: i32,
    hotX: u32,
    hotY: u32,
  }),
  z.object({ type: z.literal("move-cursor"), scanout: scanoutId, x: i32, y: i32 }),
  z.object({ type: z.literal("hide-cursor"), scanout: scanoutId, x: i32, y: i32 }),
  /** Questions of the ctrl queue, answered with the same token. */
  z.object({ type: z.literal("ask-display-info"), token }),
  z.object({ type: z.literal("ask-edid"), token, scanout: scanoutId }),
  /** The driver says that it has read the modes that it was told of. */
  z.object({ type: z.literal("modes-read") }),
  /** What the outputs are, once they are as `changes` says, where that is not null. Asked by supervisor, inspector and ctrl queue. */
  z.object({ type: z.literal("ask-outputs"), token, changes: OutputChanges.nullable() }),
  /** The modes of a guest that goes on here, which it knows already; one of no size has had none. */
  z.object({ type: z.literal("take-outputs"), outputs: z.array(Size.extend({ isOn: z.boolean() })).max(16) }),
  /** A question of the supervisor: a copy of what a scanout shows. */
  z.object({ type: z.literal("ask-snapshot"), token, scanout: scanoutId }),
  /** The same of a rectangle, for the inspector. */
  z.object({
    type: z.literal("ask-pixels"),
    token,
    scanout: scanoutId,
    ...{ x: u32, y: u32, width: u32, height: u32 },
  }),
  /** All cursors that are shown, for the inspector. */
  z.object({ type: z.literal("ask-cursors"), token }),
  z.object({ type: z.literal("ask-description"), token }),
]);
export type DisplayMessage = z.infer<typeof DisplayMessage>;
