// DRM's and udmabuf's ioctls: numbers and struct layouts (include/uapi/drm/drm.h, include/uapi/linux/udmabuf.h).

/** _IO('d', 0x1f): this descriptor is no longer the one that sets modes. */
export const DRM_IOCTL_DROP_MASTER = 0x641f;

/** _IOWR('d', 0x00, struct drm_version). */
export const DRM_IOCTL_VERSION = 0xc040_6400;
/** struct drm_version: the driver's name is `nameLength` bytes at `name`, both 64 bits. Offsets in bytes. */
export const DrmVersion = { nameLength: 16, name: 24, bytes: 64 } as const;

/** _IOWR('d', 0x2d, struct drm_prime_handle). */
export const DRM_IOCTL_PRIME_HANDLE_TO_FD = 0xc00c_642d;
/** struct drm_prime_handle: u32 words. */
export const PrimeHandle = { handle: 0, flags: 1, fd: 2, words: 3 } as const;
export const DRM_CLOEXEC = 0o2000000;
export const DRM_RDWR = 0o2;

/** _IOW('u', 0x42, struct udmabuf_create). */
export const UDMABUF_CREATE = 0x4018_7542;
/** struct udmabuf_create: u32 words; offset and size have two each. */
export const UdmabufCreate = { memfd: 0, flags: 1, offset: 2, size: 4, words: 6 } as const;
export const UDMABUF_FLAGS_CLOEXEC = 1;
