// How a compositor names the pixels of a scanout, whose fourth byte is no alpha whatever the resource's format says.

import { Fourcc } from "../../../../picture/drm-formats.ts";
import { Format } from "../../../../transport/wire/virtio-gpu/protocol.ts";

/** wl_shm has numbers of its own for the two formats that every compositor takes, and DRM's for all others. */
export const shmArgb8888 = 0;
export const shmXrgb8888 = 1;

const opaque: Readonly<Record<number, number>> = {
  [Format.B8G8R8A8]: Fourcc.XRGB8888,
  [Format.B8G8R8X8]: Fourcc.XRGB8888,
  [Format.R8G8B8A8]: Fourcc.XBGR8888,
  [Format.R8G8B8X8]: Fourcc.XBGR8888,
  [Format.A8R8G8B8]: Fourcc.BGRX8888,
  [Format.X8R8G8B8]: Fourcc.BGRX8888,
  [Format.A8B8G8R8]: Fourcc.RGBX8888,
  [Format.X8B8G8R8]: Fourcc.RGBX8888,
};

/** DRM's format of a virtio format's pixels without their alpha. */
export const opaqueFourcc = (format: number): number | undefined => opaque[format];

/** wl_shm's code of a DRM format. */
export const shmCode = (fourcc: number): number => (fourcc === Fourcc.XRGB8888 ? shmXrgb8888 : fourcc);
