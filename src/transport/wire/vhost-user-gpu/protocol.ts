// The display socket between a vhost-user-gpu back-end and its VMM: QEMU's docs/interop/vhost-user-gpu.rst.
// The back-end asks, the VMM answers some requests. Fields are native-endian u32; little-endian on our hosts.

import { DisplayInfo, Edid } from "../virtio-gpu/protocol.ts";

export const DisplayRequest = {
  GET_PROTOCOL_FEATURES: 1,
  SET_PROTOCOL_FEATURES: 2,
  GET_DISPLAY_INFO: 3,
  CURSOR_POS: 4,
  CURSOR_POS_HIDE: 5,
  CURSOR_UPDATE: 6,
  SCANOUT: 7,
  UPDATE: 8,
  DMABUF_SCANOUT: 9,
  DMABUF_UPDATE: 10,
  GET_EDID: 11,
  DMABUF_SCANOUT2: 12,
} as const;

/** Protocol feature bits. */
export const ProtocolFeature = { EDID: 0, DMABUF2: 1 } as const;

/** Every message starts with request, flags and payload size. */
export const Header = { request: 0, flags: 4, size: 8, bytes: 12 } as const;
/** The flag of the VMM's answers. */
export const replyFlag = 4;

/** Payloads; offsets are from the end of {@link Header}. */
export const CursorPosition = { scanoutId: 0, x: 4, y: 8, bytes: 12 } as const;
/** `data` is 64 × 64 pixels of a8r8g8b8 (bytes B, G, R, A). */
export const CursorUpdate = { position: 0, hotX: 12, hotY: 16, data: 20, bytes: 20 + 64 * 64 * 4 } as const;
/** Width and height 0 turn the scanout off. */
export const Scanout = { scanoutId: 0, width: 4, height: 8, bytes: 12 } as const;
/** width × height pixels of x8r8g8b8 (bytes B, G, R, X) follow; x and y are the scanout's. */
export const Update = { scanoutId: 0, x: 4, y: 8, width: 12, height: 16, bytes: 20 } as const;
/**
 * Shows width × height pixels from x, y of the dma-buf whose descriptor comes with the header; rows of it are
 * fdStride bytes, from its first byte. Width and height 0, and no descriptor, take it off the scanout.
 */
export const DmabufScanout = {
  scanoutId: 0,
  x: 4,
  y: 8,
  width: 12,
  height: 16,
  fdWidth: 20,
  fdHeight: 24,
  fdStride: 28,
  /** VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP: as GL keeps such a resource, the last row is the top one. */
  fdFlags: 32,
  fdFourcc: 36,
  bytes: 40,
} as const;
/** The same with a format modifier, a u64. */
export const DmabufScanout2 = { ...DmabufScanout, modifier: 40, bytes: 48 } as const;
/** {@link Update} without pixels. Answered, without a payload, when the damage has been shown. */
export const DmabufUpdate = { ...Update } as const;
export const SetProtocolFeatures = { features: 0, bytes: 8 } as const;
export const GetEdid = { scanoutId: 0, bytes: 4 } as const;

/**
 * Payload bytes of the VMM's answers, by request: u64 features, virtio_gpu_resp_display_info, nothing,
 * virtio_gpu_resp_edid.
 */
export const replyBytes: Readonly<Record<number, number>> = {
  [DisplayRequest.GET_PROTOCOL_FEATURES]: 8,
  [DisplayRequest.GET_DISPLAY_INFO]: DisplayInfo.bytes,
  [DisplayRequest.DMABUF_UPDATE]: 0,
  [DisplayRequest.GET_EDID]: Edid.bytes,
};
export const replyBytesMax = Edid.bytes;

export const hasReply = (request: number): boolean => replyBytes[request] !== undefined;
