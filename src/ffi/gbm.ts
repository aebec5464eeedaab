// libgbm, Mesa's allocator of buffers that GPUs and displays can use, as a symbol table.

import { dlopen } from "bun:ffi";

export const gbmName = "libgbm.so.1";

const functions = {
  gbm_create_device: { args: ["i32"], returns: "ptr" },
  gbm_device_destroy: { args: ["ptr"], returns: "void" },
  gbm_bo_create: { args: ["ptr", "u32", "u32", "u32", "u32"], returns: "ptr" },
  gbm_bo_destroy: { args: ["ptr"], returns: "void" },
  gbm_bo_get_fd: { args: ["ptr"], returns: "i32" },
  /** A union of 64 bits, of which DRM's drivers use the lower half. */
  gbm_bo_get_handle: { args: ["ptr"], returns: "u64" },
  gbm_bo_get_modifier: { args: ["ptr"], returns: "u64" },
  gbm_bo_get_stride: { args: ["ptr"], returns: "u32" },
  /** Rectangle, flags, and where to put the mapping's stride (u32) and its handle for `gbm_bo_unmap` (64 bits). */
  gbm_bo_map: { args: ["ptr", "u32", "u32", "u32", "u32", "u32", "ptr", "ptr"], returns: "ptr" },
  gbm_bo_unmap: { args: ["ptr", "ptr"], returns: "void" },
} as const;

export type Gbm = ReturnType<typeof dlopen<typeof functions>>["symbols"];

export type GbmBuffer = NonNullable<ReturnType<Gbm["gbm_bo_create"]>>;
export type GbmDevice = NonNullable<ReturnType<Gbm["gbm_create_device"]>>;

/** Loads the library. Throws when it is not there. */
export const openGbm = (): Gbm => dlopen(gbmName, functions).symbols;

/** Flags of `gbm_bo_create`. */
export const GBM_BO_USE_RENDERING = 4;
export const GBM_BO_USE_LINEAR = 16;

/** A flag of `gbm_bo_map`. */
export const GBM_BO_TRANSFER_WRITE = 2;
