// Writes venus streams: what our probe asks a Vulkan driver, and what the synthetic guest's driver does.

import {
  API_VERSION_1_1,
  GENERATE_REPLY,
  HANDLE_TYPE_OPAQUE_FD,
  StructureType,
  VenusCommand,
} from "./protocol.ts";

/** A stream of commands. Handles are numbers of the caller's choice, which the commands that make objects give them. */
export class VenusStream {
  private readonly words: number[] = [];

  /** Answers from now on lie in `bytes` bytes of a blob from its beginning on. */
  replyTo(resource: number, bytes: number): this {
    this.u32(VenusCommand.vkSetReplyCommandStreamMESA).u32(0);
    return this.there().u32(resource).u64(0).u64(bytes);
  }

  enumerateInstanceVersion(): this {
    return this.command(VenusCommand.vkEnumerateInstanceVersion).there();
  }

  createInstance(instance: number): this {
    this.command(VenusCommand.vkCreateInstance);
    this.structure(StructureType.INSTANCE_CREATE_INFO).u32(0);
    this.structure(StructureType.APPLICATION_INFO);
    this.u64(0).u32(0).u64(0).u32(0).u32(API_VERSION_1_1);
    // No layers, no extensions, no allocator.
    this.u32(0).u64(0).u32(0).u64(0).u64(0);
    return this.there().u64(instance);
  }

  destroyInstance(instance: number): this {
    return this.command(VenusCommand.vkDestroyInstance).u64(instance).u64(0);
  }

  /** At most one device. */
  enumeratePhysicalDevices(instance: number, device: number): this {
    this.command(VenusCommand.vkEnumeratePhysicalDevices).u64(instance);
    return this.there().u32(1).u64(1).u64(device);
  }

  getPhysicalDeviceProperties(device: number): this {
    return this.command(VenusCommand.vkGetPhysicalDeviceProperties).u64(device).there();
  }

  /** With one queue of family 0. */
  createDevice(physical: number, device: number): this {
    this.command(VenusCommand.vkCreateDevice).u64(physical);
    this.structure(StructureType.DEVICE_CREATE_INFO).u32(0);
    this.u32(1).u64(1).u32(StructureType.DEVICE_QUEUE_CREATE_INFO).u64(0);
    this.u32(0).u32(0).u32(1).u64(1).f32(1);
    // No layers, no extensions, no features, no allocator.
    this.u32(0).u64(0).u32(0).u64(0).u64(0).u64(0);
    return this.there().u64(device);
  }

  /** Queue 0 of family 0, whose fences are those of the context's ring. */
  getDeviceQueue(device: number, queue: number, ring: number): this {
    this.command(VenusCommand.vkGetDeviceQueue2).u64(device);
    this.there().u32(StructureType.DEVICE_QUEUE_INFO_2);
    this.there().u32(StructureType.DEVICE_QUEUE_TIMELINE_INFO_MESA).u64(0).u32(ring);
    this.u32(0).u32(0).u32(0);
    return this.there().u64(queue);
  }

  /** Memory of type 0 that can be exported: a blob of the context's whose blob_id is `memory`. */
  allocateMemory(device: number, memory: number, bytes: number): this {
    this.command(VenusCommand.vkAllocateMemory).u64(device);
    this.there().u32(StructureType.MEMORY_ALLOCATE_INFO);
    this.there().u32(StructureType.EXPORT_MEMORY_ALLOCATE_INFO).u64(0).u32(HANDLE_TYPE_OPAQUE_FD);
    this.u64(bytes).u32(0);
    this.u64(0);
    return this.there().u64(memory);
  }

  /** Commands, as a guest gives them to SUBMIT_3D. */
  finish(): Uint32Array {
    return new Uint32Array(this.words);
  }

  private command(command: number): this {
    return this.u32(command).u32(GENERATE_REPLY);
  }

  /** A structure that a pointer points to, with nothing in its chain. */
  private structure(type: number): this {
    return this.there().u32(type).u64(0);
  }

  /** A pointer that is not null: what it points to follows. */
  private there(): this {
    return this.u64(1);
  }

  private u32(value: number): this {
    this.words.push(value >>> 0);
    return this;
  }

  private u64(value: number): this {
    return this.u32(value).u32(Math.floor(value / 2 ** 32));
  }

  private f32(value: number): this {
    return this.u32(new Uint32Array(new Float32Array([value]).buffer)[0]!);
  }
}
