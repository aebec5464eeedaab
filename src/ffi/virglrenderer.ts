// libvirglrenderer, as symbol tables: what every version since 0.10 has, and what only some have.
//
// Handles, sizes and strides are u32; the functions answer 0, or an errno whose sign differs between functions and
// versions. Everything must be called on the thread that called `init`, which is where the library calls back.

import { dlopen, FFIType } from "bun:ffi";

const virglrendererName = "libvirglrenderer.so.1";

const required = {
  virgl_renderer_init: { args: ["ptr", "i32", "ptr"], returns: "i32" },
  virgl_renderer_cleanup: { args: ["ptr"], returns: "void" },
  virgl_renderer_poll: { args: [], returns: "void" },
  virgl_renderer_get_poll_fd: { args: [], returns: "i32" },
  virgl_renderer_get_cap_set: { args: ["u32", "ptr", "ptr"], returns: "void" },
  virgl_renderer_fill_caps: { args: ["u32", "u32", "ptr"], returns: "void" },
  virgl_renderer_context_create: { args: ["u32", "u32", "ptr"], returns: "i32" },
  virgl_renderer_context_destroy: { args: ["u32"], returns: "void" },
  virgl_renderer_ctx_attach_resource: { args: ["i32", "i32"], returns: "void" },
  virgl_renderer_ctx_detach_resource: { args: ["i32", "i32"], returns: "void" },
  virgl_renderer_submit_cmd: { args: ["ptr", "i32", "i32"], returns: "i32" },
  virgl_renderer_resource_create: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  virgl_renderer_resource_unref: { args: ["u32"], returns: "void" },
  virgl_renderer_resource_attach_iov: { args: ["i32", "ptr", "i32"], returns: "i32" },
  virgl_renderer_resource_detach_iov: { args: ["i32", "ptr", "ptr"], returns: "void" },
  virgl_renderer_resource_get_info: { args: ["i32", "ptr"], returns: "i32" },
  virgl_renderer_transfer_read_iov: {
    args: ["u32", "u32", "u32", "u32", "u32", "ptr", FFIType.i64_fast, "ptr", "i32"],
    returns: "i32",
  },
  virgl_renderer_transfer_write_iov: {
    args: ["u32", "u32", "i32", "u32", "u32", "ptr", FFIType.i64_fast, "ptr", "u32"],
    returns: "i32",
  },
  virgl_renderer_create_fence: { args: ["i32", "u32"], returns: "i32" },
} as const;

/** Contexts for a capset, which CONTEXT_INIT needs. */
const contextFlags = {
  virgl_renderer_context_create_with_flags: { args: ["u32", "u32", "u32", "ptr"], returns: "i32" },
} as const;

/** Timelines of each context's own. */
const contextFences = {
  virgl_renderer_context_create_fence: { args: ["u32", "u32", "u32", FFIType.i64_fast], returns: "i32" },
} as const;

/** Fences of contexts that are not of GL: each is asked for its own. */
const contextPolls = {
  virgl_renderer_context_poll: { args: ["u32"], returns: "void" },
  virgl_renderer_context_get_poll_fd: { args: ["u32"], returns: "i32" },
} as const;

/** Memory of a context's that guests and others map. */
const blobs = {
  virgl_renderer_resource_create_blob: { args: ["ptr"], returns: "i32" },
  virgl_renderer_resource_export_blob: { args: ["u32", "ptr", "ptr"], returns: "i32" },
  virgl_renderer_resource_get_map_info: { args: ["u32", "ptr"], returns: "i32" },
} as const;

/** A texture's dma-buf, on hosts that can export one. */
const dmabufExport = {
  virgl_renderer_force_ctx_0: { args: [], returns: "void" },
  virgl_renderer_get_fd_for_texture2: { args: ["u32", "ptr", "ptr", "ptr"], returns: "i32" },
} as const;

/** A fence's sync file, on hosts that can export one. The number has 32 bits in some versions and 64 in others. */
const fenceExport = {
  virgl_renderer_export_fence: { args: [FFIType.i64_fast, "ptr"], returns: "i32" },
} as const;

/** What 1.0 says of a resource beyond 0.10. */
const extendedInfo = {
  virgl_renderer_resource_get_info_ext: { args: ["i32", "ptr"], returns: "i32" },
} as const;

/** Where the library's messages go: to a function with a format and a va_list, instead of stderr. */
const logger = {
  virgl_set_debug_callback: { args: ["ptr"], returns: "ptr" },
} as const;

type Table = Parameters<typeof dlopen>[1];
type Symbols<Functions extends Table> = ReturnType<typeof dlopen<Functions>>["symbols"];

export interface Virglrenderer {
  required: Symbols<typeof required>;
  contextFlags: Symbols<typeof contextFlags> | null;
  contextFences: Symbols<typeof contextFences> | null;
  contextPolls: Symbols<typeof contextPolls> | null;
  blobs: Symbols<typeof blobs> | null;
  dmabufExport: Symbols<typeof dmabufExport> | null;
  fenceExport: Symbols<typeof fenceExport> | null;
  extendedInfo: Symbols<typeof extendedInfo> | null;
  logger: Symbols<typeof logger> | null;
}

/** Loads the library. Throws when it is not there or lacks a function that every known version has. */
export function openVirglrenderer(): Virglrenderer {
  return {
    required: dlopen(virglrendererName, required).symbols,
    contextFlags: ifThere(contextFlags),
    contextFences: ifThere(contextFences),
    contextPolls: ifThere(contextPolls),
    blobs: ifThere(blobs),
    dmabufExport: ifThere(dmabufExport),
    fenceExport: ifThere(fenceExport),
    extendedInfo: ifThere(extendedInfo),
    logger: ifThere(logger),
  };
}

function ifThere<Functions extends Table>(functions: Functions): Symbols<Functions> | null {
  try {
    return dlopen(virglrendererName, functions).symbols;
  } catch {
    // This version of the library does not have them.
    return null;
  }
}

/** Flags of `virgl_renderer_init`. */
export const InitFlag = {
  USE_EGL: 1,
  THREAD_SYNC: 2,
  USE_SURFACELESS: 8,
  VENUS: 0x40,
  RENDER_SERVER: 0x200,
} as const;

/** struct virgl_renderer_callbacks, version 4; earlier versions are shorter. Offsets in bytes. */
export const Callbacks = {
  version: 0,
  writeFence: 8,
  getDrmFd: 40,
  writeContextFence: 48,
  getServerFd: 56,
  bytes: 72,
} as const;

/** The first version of {@link Callbacks} with `writeContextFence`, and the one before it. */
export const callbacksVersion = { withContextFences: 3, without: 2 } as const;

/** struct virgl_renderer_resource_create_args: these u32 words in order. */
export const createArgsWords = 11;

/** struct virgl_box: x, y, z, w, h, d as u32 words. */
export const boxWords = 6;

/** struct virgl_renderer_resource_create_blob_args. Offsets in bytes. */
export const CreateBlobArgs = {
  resource: 0,
  context: 4,
  mem: 8,
  flags: 12,
  blobId: 16,
  size: 24,
  bytes: 48,
} as const;

/** What a blob's descriptor is: VIRGL_RENDERER_BLOB_FD_TYPE_*. */
export const BlobFdType = { DMABUF: 1, OPAQUE: 2, SHM: 3 } as const;

/** struct iovec: the address and the length, 64 bits each. */
export const iovecBytes = 16;

/** VIRGL_RENDERER_FENCE_FLAG_MERGEABLE: later fences of the same timeline may stand for this one. */
export const FENCE_MERGEABLE = 1;

/** struct virgl_renderer_resource_info: u32 words; 1.0 appends one. */
export const ResourceInfo = { flags: 5, texture: 6, stride: 7, fourcc: 8, words: 10 } as const;

/** struct virgl_renderer_resource_info_ext. Offsets in bytes. */
export const ExtendedInfo = { modifier: 56, bytes: 72 } as const;
