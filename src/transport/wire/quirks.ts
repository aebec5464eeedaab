// Where VMMs depart from what vhost-user.rst and vhost-user-gpu.rst let expect, or from one another, and this device lives with
// it. Each is named where it is acted on.

interface Quirk {
  vmm: string;
  /** Those that were looked at. */
  versions: string;
  does: string;
  /** A file of the VMM's, or how it was seen. */
  source: string;
}

export const quirks = {
  qemuTakesUnofferedFeatures: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "acknowledges what the guest took of its own device's properties, offered here or not: RING_RESET always, others by option",
    source: "hw/display/virtio-gpu-base.c, virtio_gpu_base_get_features: no back-end masks it",
  },
  ownerInAnyOrder: {
    vmm: "QEMU, crosvm",
    versions: "7.2 to 11.1; 2026",
    does: "send SET_OWNER after the features (QEMU) or before all else (crosvm)",
    source: "hw/virtio/vhost.c, vhost_dev_init; devices/src/virtio/vhost_user_frontend/mod.rs",
  },
  qemuWaitsForLogBase: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "waits for a reply to SET_LOG_BASE whether it asked for one or not",
    source: "hw/virtio/vhost-user.c, vhost_user_set_log_base",
  },
  qemuMistakesConfigChange: {
    vmm: "QEMU",
    versions: "7.2 to 10.0",
    does: "takes CONFIG_CHANGE of a vhost-user-gpu for an error: it has a display of its own, and says the modes itself",
    source: "hw/virtio/vhost-user.c: a device without a config_changed of its own",
  },
  qemuDiesOfEarlyConfigChange: {
    vmm: "QEMU",
    versions: "11.1",
    does: "ends by SIGSEGV when its generic device gets CONFIG_CHANGE before a driver has started it",
    source: "tried with 11.1.3; vhost_dev's vdev is null until vhost_dev_start",
  },
  qemuKicksAtStart: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "kicks a ring once when it starts it, with nothing in it; its generic device twice",
    source: "hw/virtio/virtio-bus.c, virtio_bus_set_host_notifier",
  },
  qemuGivesErrOnce: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "sends SET_VRING_ERR once, when it connects, and not again after a reset",
    source: "hw/virtio/vhost.c, vhost_virtqueue_init",
  },
  qemuReplacesRegionsInTwoSteps: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "removes a memory region before it adds the larger one that takes its place, also under a running ring",
    source: "hw/virtio/vhost-user.c, vhost_user_add_remove_regions",
  },
  qemuLogsByAddresses: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "sends SET_FEATURES and SET_VRING_ADDR to running rings when it turns dirty logging on or off",
    source: "hw/virtio/vhost.c, vhost_dev_set_log",
  },
  qemuAsksIdleRings: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "sends GET_VRING_BASE for a ring that was never started",
    source: "hw/virtio/vhost.c, vhost_virtqueue_stop",
  },
  qemuSetsDisplayAtEachStart: {
    vmm: "QEMU",
    versions: "7.2 to 11.1",
    does: "sends GPU_SET_SOCKET at every start of the driver, with another socket each time",
    source: "hw/display/vhost-user-gpu.c, vhost_user_gpu_set_status",
  },
  qemuLeavesEdidUnanswered: {
    vmm: "QEMU",
    versions: "8.1 to 11.1; 7.2 does not know the request",
    does: "does not answer GET_EDID for an output that it lacks",
    source: "hw/display/vhost-user-gpu.c, vhost_user_gpu_handle_display",
  },
  qemuShowsWholeDmabufs: {
    vmm: "QEMU",
    versions: "9.1 to 11.1",
    does: "shows a dma-buf from its first pixel, whatever rectangle DMABUF_SCANOUT says",
    source: "hw/display/vhost-user-gpu.c: qemu_dmabuf_new with x and y of zero",
  },
  qemuEndsRefusedChannels: {
    vmm: "QEMU",
    versions: "11.1",
    does: "closes the back-end channel for good after a SHMEM_MAP or SHMEM_UNMAP that it refuses, and refuses no overlap",
    source: "hw/virtio/vhost-user.c, backend_read; tried",
  },
  qemuTakesMappingsForSlots: {
    vmm: "QEMU",
    versions: "11.1",
    does: "takes what it maps for a back-end for memory of the guest's, gives it to that as a slot (ADD_MEM_REG), and dies where a driver starts anew after a reset that came while something was mapped: the slot is still in its list, and its memory is not",
    source: "hw/virtio/vhost-user.c, send_remove_regions: memory_region_get_fd of NULL; tried",
  },
  crosvmSendsNoDescriptorFeature: {
    vmm: "crosvm",
    versions: "2026",
    does: "takes SHMEM without BACKEND_SEND_FD, and descriptors with SHMEM_MAP all the same",
    source: "devices/src/virtio/vhost_user_frontend/mod.rs: the features that it masks",
  },
  crosvmWaitsByReading: {
    vmm: "crosvm",
    versions: "2026",
    does: "gives blocking eventfds, which it waits for by reading",
    source: "base/src/sys/linux/event.rs",
  },
  libkrunResetsByDisabling: {
    vmm: "libkrun",
    versions: "2026-06",
    does: "resets a device by SET_VRING_ENABLE 0 alone, and sends the whole set-up again when the next driver starts",
    source: "VhostUserDevice::reset",
  },
} satisfies Record<string, Quirk>;
