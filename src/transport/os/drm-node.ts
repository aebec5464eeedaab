// A node of a DRM device: /dev/dri/renderD128 and the like.

import { openSync, readdirSync, statSync } from "node:fs";
import { ptr } from "bun:ffi";
import {
  DRM_CLOEXEC,
  DRM_IOCTL_DROP_MASTER,
  DRM_IOCTL_PRIME_HANDLE_TO_FD,
  DRM_IOCTL_VERSION,
  DRM_RDWR,
  DrmVersion,
  PrimeHandle,
} from "../../ffi/drm.ts";
import { libc } from "../../ffi/libc.ts";
import { checked } from "./errors.ts";
import { closeFd } from "./fds.ts";

const folder = "/dev/dri";
/** Drivers whose buffers no GPU renders with, or that are not to be mapped: taken only when somebody names their node. */
const passedOver: readonly string[] = ["vgem", "pvr"];
const nameBytesMax = 64;

/** The render nodes of this host, as paths, in the order of their numbers. */
export function renderNodes(): string[] {
  try {
    const numbers = readdirSync(folder).flatMap((name) => /^renderD(\d+)$/.exec(name)?.[1] ?? []);
    return numbers
      .map(Number)
      .toSorted((one, other) => one - other)
      .map((number) => `${folder}/renderD${number}`);
  } catch {
    // A host without any, or one that hides them.
    return [];
  }
}

/** The major number of every DRM node (Documentation/admin-guide/devices.txt). */
const drmMajor = 226;

/** Whether `path` is a node of a DRM device, be it there for this user or not. */
export function isDrmNode(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.isCharacterDevice() && majorOf(found.rdev) === drmMajor;
}

/** makedev(3) of 64 bits. */
const majorOf = (device: number): number => Math.floor(device / 2 ** 8) & 0xfff;

export class DrmNode {
  private readonly prime = new Uint32Array(PrimeHandle.words);

  private constructor(
    readonly path: string,
    readonly fd: number,
    /** The kernel driver's name, such as "i915". */
    readonly driver: string,
  ) {}

  /** Whether it is for those alone who ask for it by name. */
  get isPassedOver(): boolean {
    return passedOver.includes(this.driver);
  }

  /** Throws an error with the errno's name as its `code` for a path that can't be opened or is no such node. */
  static open(path: string): DrmNode {
    const fd = openSync(path, "r+");
    try {
      // Whoever opens a card first becomes its master, and would keep a display server from setting modes.
      libc.ioctl(fd, DRM_IOCTL_DROP_MASTER, null);
      return new DrmNode(path, fd, driverOf(fd, path));
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /**
   * The dma-buf, the caller's to close, of a buffer of this node. It maps read-write when this is its first export: later
   * ones, by whomever, are the same dma-buf. Throws SystemError.
   */
  exportBuffer(handle: number): number {
    const { prime } = this;
    prime[PrimeHandle.handle] = handle;
    prime[PrimeHandle.flags] = DRM_CLOEXEC | DRM_RDWR;
    const doing = `exporting a buffer of ${this.path}`;
    checked(libc.ioctl(this.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), "ioctl", doing);
    return prime[PrimeHandle.fd]!;
  }

  close(): void {
    closeFd(this.fd);
  }
}

function driverOf(fd: number, path: string): string {
  const name = new Uint8Array(nameBytesMax);
  const version = new BigUint64Array(DrmVersion.bytes / 8);
  version[DrmVersion.nameLength / 8] = BigInt(name.length);
  version[DrmVersion.name / 8] = BigInt(ptr(name));
  checked(libc.ioctl(fd, DRM_IOCTL_VERSION, version), "ioctl", `asking ${path} for its driver`);
  return new TextDecoder().decode(name.subarray(0, Number(version[DrmVersion.nameLength / 8])));
}
