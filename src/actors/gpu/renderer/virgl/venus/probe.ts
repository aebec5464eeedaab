// Whether venus works here: a context, memory of its, a Vulkan driver behind it, and a fence. What fails is found before a
// guest is offered it.

import { NativeMemory } from "../../../../../transport/os/native-memory.ts";
import { closeFd } from "../../../../../transport/os/fds.ts";
import { INCOMPLETE, Reply } from "../../../../../transport/wire/venus/protocol.ts";
import { VenusStream } from "../../../../../transport/wire/venus/stream.ts";
import { BlobFlag, BlobMem } from "../../../../../transport/wire/virtio-gpu/protocol.ts";
import type { VenusContexts } from "./contexts.ts";
import type { HostBlobs } from "./host-blobs.ts";
import { milliseconds } from "../../../../../transport/os/clock.ts";

/** Nobody else has contexts or resources yet. */
const [context, resource] = [1, 1];
const [instance, device] = [1, 2];
const pageBytes = 4096;
/** How long a driver may take to start. */
const patienceMs = 10_000;
const noDriver = "no Vulkan driver is there (Debian: apt-get install mesa-vulkan-drivers)";

/** What venus would render with, or why there is no such. */
export type Found = { device: string } | { missing: string };

/** Looks, once, before there are guests. */
export function probeVenus(contexts: VenusContexts, blobs: HostBlobs): Found {
  const memory = NativeMemory.allocate(pageBytes);
  const probe = new Probe(contexts, memory);
  try {
    return probe.look(blobs);
  } finally {
    blobs.unref(resource);
    contexts.destroy(context);
    memory.unmap();
  }
}

class Probe {
  private fence = 0;

  constructor(
    private readonly contexts: VenusContexts,
    private readonly scratch: NativeMemory,
  ) {}

  look(blobs: HostBlobs): Found {
    const name = "probe";
    new TextEncoder().encodeInto(name, new Uint8Array(this.scratch.view()));
    const error = this.contexts.create(context, this.scratch.address, name.length);
    if (error !== 0) return { missing: "the render server makes no context" };
    const shape = { mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: pageBytes, idLow: 0, idHigh: 0 };
    if (blobs.create(resource, context, shape) !== 0) return { missing: "a context has no memory to share" };
    const { fd, kind, offset } = blobs.exported(resource) ?? { fd: -1, kind: "opaque", offset: 0 };
    const memory = kind === "memory" ? NativeMemory.mapShared(fd, offset, pageBytes, "read") : null;
    closeFd(fd);
    if (memory === null) return { missing: "a context's memory cannot be mapped" };
    const found = this.ask(new Uint32Array(memory.view()));
    memory.unmap();
    return found;
  }

  private ask(reply: Uint32Array): Found {
    if (!this.runs((stream) => stream.createInstance(instance)))
      return { missing: "a context answers nothing" };
    if (reply[Reply.result] !== 0 || reply[Reply.handle] !== instance) return { missing: noDriver };
    this.runs((stream) => stream.enumeratePhysicalDevices(instance, device));
    const isFound = reply[Reply.result] === 0 || reply[Reply.result] === INCOMPLETE;
    if (!isFound || reply[Reply.deviceCount] !== 1) return { missing: noDriver };
    this.runs((stream) => stream.getPhysicalDeviceProperties(device));
    const text = new Uint8Array(reply.buffer, Reply.deviceName * 4, Reply.deviceNameBytes).slice();
    // Else the server says that it was left behind.
    this.runs((stream) => stream.destroyInstance(instance));
    return { device: new TextDecoder().decode(text).split("\0")[0]! };
  }

  /** Runs commands that are answered in the blob. Returns whether they have run. */
  private runs(write: (stream: VenusStream) => VenusStream): boolean {
    const words = write(new VenusStream().replyTo(resource, pageBytes)).finish();
    new Uint32Array(this.scratch.view()).set(words);
    if (this.contexts.submit(context, this.scratch.address, words.byteLength) !== 0) return false;
    const wanted = ++this.fence;
    let isDone = false;
    this.contexts.onFence = (_id, _ring, fence) => (isDone ||= fence === wanted);
    if (this.contexts.createFence(context, 0, wanted) !== 0) return false;
    let isLost = false;
    this.contexts.onLost = () => (isLost = true);
    for (const end = milliseconds() + patienceMs; !isDone && !isLost && milliseconds() < end;) {
      this.contexts.poll(10);
    }
    return isDone;
  }
}
