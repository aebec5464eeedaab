// A card that QEMU saves with its guest. Of QEMU's devices with a back-end of their own, none but file systems and network cards ask that for
// its state (QEMU 11.1.3), and to a back-end a file system is two rings like any other. So that is the device here, and the guest's driver
// of cards is made to take it.

import { initramfsPath, type Kernel } from "../../../lab/qemu/cache.ts";

/** Numbers of virtio devices. */
const gpu = 16;
const fileSystem = 26;

/** Its tag is its configuration, where the driver reads how many scanouts there are: the ninth byte, 1. */
export const fsCard = "vhost-user-fs-pci,tag=8 bytes.\u0001,queue-size=256";

/** In the guest: has the driver of cards take the device from that of file systems. */
export const takeCard =
  "sh cd /sys/bus/virtio/drivers && echo virtio0 > virtiofs/unbind && echo virtio0 > virtio_gpu/bind";

const moduleName = "/virtio_gpu.ko\0";
/** Of a newc header, in bytes of ASCII. */
const cpio = { bytes: 110, fileBytes: 54, digits: 8 } as const;
const signed = "~Module signature appended~\n";
/** struct virtio_device_id: a device, of any vendor; and the end of the list. */
const deviceId = (id: number): Buffer => Buffer.from(Uint32Array.of(id, 0xffff_ffff, 0).buffer);

/** The guest's initramfs with a driver of cards that looks for file systems. */
export async function fsCardInitramfs(kernel: Kernel): Promise<Buffer> {
  const archive = Buffer.from(await Bun.file(initramfsPath(kernel)).bytes());
  const name = archive.indexOf(moduleName);
  const header = archive.lastIndexOf("070701", name);
  const begin = Math.ceil((name + moduleName.length) / 4) * 4;
  const size = archive.toString("latin1", header + cpio.fileBytes, header + cpio.fileBytes + cpio.digits);
  const driver = archive.subarray(begin, begin + Number.parseInt(size, 16));
  const at = driver.indexOf(deviceId(gpu));
  if (at < 0 || driver.indexOf(deviceId(gpu), at + 1) >= 0)
    throw new Error("the driver has no list of its devices");
  deviceId(fileSystem).copy(driver, at);
  // It is no longer what was signed; without a signature the kernel takes it.
  const signature = driver.lastIndexOf(signed);
  if (signature >= 0) driver.fill(0, signature);
  return archive;
}
