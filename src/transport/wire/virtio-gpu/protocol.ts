// virtio-gpu on the wire: command and response numbers, formats, and field offsets of every request.
// virtio 1.3 §5.7.6. All fields are little-endian; offsets are bytes from the start of the request or response.

/** Command types (virtio_gpu_ctrl_type). */
export const Command = {
  GET_DISPLAY_INFO: 0x0100,
  RESOURCE_CREATE_2D: 0x0101,
  RESOURCE_UNREF: 0x0102,
  SET_SCANOUT: 0x0103,
  RESOURCE_FLUSH: 0x0104,
  TRANSFER_TO_HOST_2D: 0x0105,
  RESOURCE_ATTACH_BACKING: 0x0106,
  RESOURCE_DETACH_BACKING: 0x0107,
  GET_CAPSET_INFO: 0x0108,
  GET_CAPSET: 0x0109,
  GET_EDID: 0x010a,
  RESOURCE_ASSIGN_UUID: 0x010b,
  RESOURCE_CREATE_BLOB: 0x010c,
  SET_SCANOUT_BLOB: 0x010d,
  CTX_CREATE: 0x0200,
  CTX_DESTROY: 0x0201,
  CTX_ATTACH_RESOURCE: 0x0202,
  CTX_DETACH_RESOURCE: 0x0203,
  RESOURCE_CREATE_3D: 0x0204,
  TRANSFER_TO_HOST_3D: 0x0205,
  TRANSFER_FROM_HOST_3D: 0x0206,
  SUBMIT_3D: 0x0207,
  RESOURCE_MAP_BLOB: 0x0208,
  RESOURCE_UNMAP_BLOB: 0x0209,
  UPDATE_CURSOR: 0x0300,
  MOVE_CURSOR: 0x0301,
} as const;

/** Response types. The error codes are 0x1200 plus the index that the lifecycle tables use. */
export const Response = {
  OK_NODATA: 0x1100,
  OK_DISPLAY_INFO: 0x1101,
  OK_CAPSET_INFO: 0x1102,
  OK_CAPSET: 0x1103,
  OK_EDID: 0x1104,
  OK_RESOURCE_UUID: 0x1105,
  OK_MAP_INFO: 0x1106,
  ERR_UNSPEC: 0x1200,
  ERR_OUT_OF_MEMORY: 0x1201,
  ERR_INVALID_SCANOUT_ID: 0x1202,
  ERR_INVALID_RESOURCE_ID: 0x1203,
  ERR_INVALID_CONTEXT_ID: 0x1204,
  ERR_INVALID_PARAMETER: 0x1205,
} as const;

/** Device feature bits (§5.7.3). */
export const Feature = {
  VIRGL: 0,
  EDID: 1,
  RESOURCE_UUID: 2,
  RESOURCE_BLOB: 3,
  CONTEXT_INIT: 4,
} as const;

/** Shared memory regions (§5.7.4.1). */
export const SharedMemoryId = { HOST_VISIBLE: 1 } as const;

/** struct virtio_gpu_ctrl_hdr (§5.7.6.7). */
export const Header = { type: 0, flags: 4, fenceId: 8, contextId: 16, ringIndex: 20, bytes: 24 } as const;

export const HeaderFlag = { FENCE: 1, INFO_RING_IDX: 2 } as const;

/** virtio_gpu_formats. The letters name the bytes of a pixel in the order of their addresses. */
export const Format = {
  B8G8R8A8: 1,
  B8G8R8X8: 2,
  A8R8G8B8: 3,
  X8R8G8B8: 4,
  R8G8B8A8: 67,
  X8B8G8R8: 68,
  A8B8G8R8: 121,
  R8G8B8X8: 134,
} as const;

const formatNames: ReadonlyMap<number, string> = new Map(
  Object.entries(Format).map(([name, format]) => [format, name]),
);

/** Whether `format` is one of the eight of {@link Format}. */
export const isFormat = (format: number): boolean => formatNames.has(format);

/** The name of one of them, for people. */
export const formatName = (format: number): string | undefined => formatNames.get(format);

export const bytesPerPixel = 4;
/** VIRTIO_GPU_MAX_SCANOUTS. */
export const scanoutsMax = 16;

export const ResourceCreate2d = { resourceId: 24, format: 28, width: 32, height: 36, bytes: 40 } as const;
export const ResourceUnref = { resourceId: 24, bytes: 32 } as const;
export const SetScanout = {
  x: 24,
  y: 28,
  width: 32,
  height: 36,
  scanoutId: 40,
  resourceId: 44,
  bytes: 48,
} as const;
export const ResourceFlush = { x: 24, y: 28, width: 32, height: 36, resourceId: 40, bytes: 48 } as const;
export const TransferToHost2d = {
  x: 24,
  y: 28,
  width: 32,
  height: 36,
  offset: 40,
  resourceId: 48,
  bytes: 56,
} as const;
export const AttachBacking = { resourceId: 24, entryCount: 28, bytes: 32 } as const;
/** struct virtio_gpu_mem_entry, `entryCount` of which follow {@link AttachBacking}. */
export const MemoryEntry = { address: 0, length: 8, bytes: 16 } as const;
export const DetachBacking = { resourceId: 24, bytes: 32 } as const;
/** CTX_CREATE (§5.7.6.8); the context is the header's. `contextInit` is zero unless CONTEXT_INIT was negotiated. */
export const CtxCreate = { nameLength: 24, contextInit: 28, name: 32, nameBytesMax: 64, bytes: 96 } as const;
/** CTX_ATTACH_RESOURCE and CTX_DETACH_RESOURCE. */
export const CtxResource = { resourceId: 24, bytes: 32 } as const;
export const ResourceCreate3d = {
  resourceId: 24,
  target: 28,
  format: 32,
  bind: 36,
  width: 40,
  height: 44,
  depth: 48,
  arraySize: 52,
  lastLevel: 56,
  samples: 60,
  flags: 64,
  bytes: 72,
} as const;
/** TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D. Strides and offset are bytes; the box is in pixels. */
export const Transfer3d = {
  x: 24,
  y: 28,
  z: 32,
  width: 36,
  height: 40,
  depth: 44,
  offset: 48,
  resourceId: 56,
  level: 60,
  stride: 64,
  layerStride: 68,
  bytes: 72,
} as const;
/** SUBMIT_3D: `size` bytes of the renderer's command stream follow. */
export const Submit3d = { size: 24, bytes: 32 } as const;
/** RESOURCE_CREATE_BLOB: `entryCount` entries follow. `blobId` and `size` are 64 bits wide. */
export const CreateBlob = {
  resourceId: 24,
  blobMem: 28,
  blobFlags: 32,
  entryCount: 36,
  blobId: 40,
  size: 48,
  bytes: 56,
} as const;
/** What a blob's memory is (§5.7.6.8): VIRTIO_GPU_BLOB_MEM_*. */
export const BlobMem = { GUEST: 1, HOST3D: 2, HOST3D_GUEST: 3 } as const;
/** What a blob may be used for: VIRTIO_GPU_BLOB_FLAG_USE_*. */
export const BlobFlag = { MAPPABLE: 1, SHAREABLE: 2, CROSS_DEVICE: 4 } as const;
/** SET_SCANOUT_BLOB: four strides and four offsets follow `format` and a padding. */
export const SetScanoutBlob = {
  x: 24,
  y: 28,
  width: 32,
  height: 36,
  scanoutId: 40,
  resourceId: 44,
  blobWidth: 48,
  blobHeight: 52,
  format: 56,
  stride: 64,
  offset: 80,
  bytes: 96,
} as const;
export const MapBlob = { resourceId: 24, offset: 32, bytes: 40 } as const;
/** struct virtio_gpu_resp_map_info. */
export const MapInfo = { mapInfo: 24, bytes: 32 } as const;
/** VIRTIO_GPU_MAP_CACHE_*: how a guest is to map what it was given. */
export const MapCache = { NONE: 0, CACHED: 1, UNCACHED: 2, WRITE_COMBINED: 3 } as const;
/** RESOURCE_UNMAP_BLOB and RESOURCE_ASSIGN_UUID. */
export const OfResource = { resourceId: 24, bytes: 32 } as const;
/** struct virtio_gpu_resp_resource_uuid. */
export const ResourceUuid = { uuid: 24, bytes: 40 } as const;
export const GetCapsetInfo = { capsetIndex: 24, bytes: 32 } as const;
export const GetCapset = { capsetId: 24, capsetVersion: 28, bytes: 32 } as const;
export const GetEdid = { scanoutId: 24, bytes: 32 } as const;
/** UPDATE_CURSOR and MOVE_CURSOR (§5.7.6.10). */
export const Cursor = {
  scanoutId: 24,
  x: 28,
  y: 32,
  resourceId: 40,
  hotX: 44,
  hotY: 48,
  bytes: 56,
} as const;
/** Width and height of every cursor image, in pixels. */
export const cursorSize = 64;

/** struct virtio_gpu_resp_display_info: one mode an output. */
export const DisplayInfo = {
  modes: 24,
  mode: { x: 0, y: 4, width: 8, height: 12, enabled: 16, flags: 20, bytes: 24 },
  bytes: 24 + scanoutsMax * 24,
} as const;
export const CapsetInfo = { capsetId: 24, maxVersion: 28, maxSize: 32, bytes: 40 } as const;
/** struct virtio_gpu_resp_edid. */
export const Edid = { size: 24, edid: 32, edidBytesMax: 1024, bytes: 32 + 1024 } as const;

/** VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP: which way up a texture is kept. Transfers follow it by themselves. */
export const resourceFlagY0Top = 1;

/** Capset ids (§5.7.6.8). */
export const Capset = { VIRGL: 1, VIRGL2: 2, VENUS: 4 } as const;
/** Ring indexes of one context are below this (§5.7.6.7). */
export const ringsMax = 64;

/** Bits of events_read (§5.7.4.1). */
export const Event = { DISPLAY: 1 } as const;
/** struct virtio_gpu_config (§5.7.4). */
export const ConfigSpace = {
  eventsRead: 0,
  eventsClear: 4,
  scanoutCount: 8,
  capsetCount: 12,
  bytes: 16,
} as const;

/** The two virtqueues (§5.7.2). */
export const Queue = { CONTROL: 0, CURSOR: 1, count: 2 } as const;
