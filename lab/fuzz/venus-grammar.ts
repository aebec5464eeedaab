// Venus streams that chance writes: calls of Vulkan as a driver makes them, with a few things wrong, rings and streams in
// shared memory, and calls that nobody would make. A context ends with its first mistake, so that most of them have none.

import { GENERATE_REPLY } from "../../src/transport/wire/venus/protocol.ts";
import { VenusStream } from "../../src/transport/wire/venus/stream.ts";
import { type Chance, odd, oneIn, pick, word } from "./chance.ts";

/** A blob that a context shares with its guest. */
export interface SharedBlob {
  readonly resourceId: number;
  readonly bytes: number;
}

/** What {@link writeSetUp} makes of each context. */
const made = { instance: 11, physical: 12, device: 13, queue: 14 };
/** And the memory, by its blob_id. */
export const memories: readonly { readonly id: number; readonly pages: number }[] = [
  { id: 21, pages: 1 },
  { id: 22, pages: 4 },
  { id: 23, pages: 16 },
  { id: 24, pages: 3 },
];
const pageBytes = 4096;
const firstHandle = 100;

/** VkCommandTypeEXT of what VenusStream has no words for. */
const Call = {
  vkQueueSubmit: 18,
  vkFreeMemory: 22,
  vkGetBufferMemoryRequirements: 30,
  vkCreateFence: 35,
  vkDestroyFence: 36,
  vkResetFences: 37,
  vkGetFenceStatus: 38,
  vkCreateSemaphore: 40,
  vkDestroySemaphore: 41,
  vkCreateEvent: 42,
  vkDestroyEvent: 43,
  vkGetEventStatus: 44,
  vkSetEvent: 45,
  vkResetEvent: 46,
  vkCreateBuffer: 50,
  vkDestroyBuffer: 51,
  vkSeekReplyCommandStreamMESA: 179,
  vkExecuteCommandStreamsMESA: 180,
  vkCreateRingMESA: 188,
  vkDestroyRingMESA: 189,
  vkNotifyRingMESA: 190,
  vkWriteRingExtraMESA: 191,
} as const;
const callsEnd = 290;
const RING_CREATE_INFO_MESA = 1_000_384_000;

/** What a driver does first: an instance, a device with a queue, and memory that can be exported. */
export function writeSetUp(reply: SharedBlob): Uint8Array {
  const stream = new VenusStream()
    .replyTo(reply.resourceId, reply.bytes)
    .createInstance(made.instance)
    .enumeratePhysicalDevices(made.instance, made.physical)
    .createDevice(made.physical, made.device)
    .getDeviceQueue(made.device, made.queue, 1);
  for (const { id, pages } of memories) stream.allocateMemory(made.device, id, pages * pageBytes);
  return bytesOf(stream.finish());
}

type Words = Iterable<number>;
type Kind = "memory" | "fence" | "semaphore" | "event" | "buffer";

/** How an object is made, from the structure's type on, and what ends it. */
const kinds: Readonly<Record<Kind, { create: (chance: Chance) => number[]; call: number; destroy: number }>> =
  {
    memory: {
      call: 0,
      create: () => [],
      destroy: Call.vkFreeMemory,
    },
    fence: {
      call: Call.vkCreateFence,
      create: (chance) => structure(chance, 8, [chance(2)]),
      destroy: Call.vkDestroyFence,
    },
    semaphore: {
      call: Call.vkCreateSemaphore,
      create: (chance) => structure(chance, 9, [0]),
      destroy: Call.vkDestroySemaphore,
    },
    event: {
      call: Call.vkCreateEvent,
      create: (chance) => structure(chance, 10, [0]),
      destroy: Call.vkDestroyEvent,
    },
    buffer: {
      call: Call.vkCreateBuffer,
      create: (chance) => {
        const bytes = odd(chance, 1 + chance(65_536), 40);
        return structure(chance, 12, [0, ...wide(bytes), 1 << chance(9), 0, 0, ...wide(0)]);
      },
      destroy: Call.vkDestroyBuffer,
    },
  };
const kindNames = Object.keys(kinds) as Kind[];

/** What one context has been told, so that the next stream can name what is there. */
export class VenusWriter {
  private readonly objects: Record<Kind, number[]> = {
    memory: [],
    fence: [],
    semaphore: [],
    event: [],
    buffer: [],
  };
  private readonly rings: number[] = [];
  private next = firstHandle;

  /** `blobs`: the context's own; the first has its answers. */
  constructor(private readonly blobs: readonly SharedBlob[]) {}

  /** One to eight calls. */
  write(chance: Chance): Uint8Array {
    const words: number[] = [];
    for (let left = 1 + chance(8); left > 0; left--) words.push(...pick(chance, this.writers)(chance));
    if (oneIn(chance, 10)) words.push(...this.anything(chance));
    return bytesOf(new Uint32Array(words));
  }

  private readonly writers: readonly ((chance: Chance) => Words)[] = [
    (chance) => {
      const { resourceId, bytes } = this.blobs[0]!;
      return new VenusStream().replyTo(odd(chance, resourceId, 60), odd(chance, bytes, 60)).finish();
    },
    () => new VenusStream().enumerateInstanceVersion().finish(),
    (chance) => new VenusStream().getPhysicalDeviceProperties(odd(chance, made.physical, 60)).finish(),
    (chance) => this.create(chance, pick(chance, kindNames)),
    (chance) => this.create(chance, pick(chance, kindNames)),
    (chance) => this.destroy(chance, pick(chance, kindNames)),
    (chance) => this.of(chance, "fence", Call.vkGetFenceStatus),
    (chance) =>
      this.of(chance, "event", pick(chance, [Call.vkGetEventStatus, Call.vkSetEvent, Call.vkResetEvent])),
    (chance) => this.of(chance, "buffer", Call.vkGetBufferMemoryRequirements, [1]),
    (chance) => this.resetFences(chance),
    // Of nothing, and with a fence that another submission may have.
    (chance) => [
      ...call(Call.vkQueueSubmit),
      ...wide(odd(chance, made.queue, 60)),
      0,
      ...wide(0),
      ...wide(0),
    ],
    (chance) => [...call(Call.vkSeekReplyCommandStreamMESA, 0), ...wide(odd(chance, 64 * chance(64), 60))],
    (chance) => this.streamsElsewhere(chance),
    (chance) => this.ring(chance),
    (chance) => this.ofRing(chance),
  ];

  private handle(chance: Chance, kind: Kind): number | null {
    const known = this.objects[kind];
    if (oneIn(chance, 60)) return pick(chance, [word(chance), made.device, this.next - 1]);
    return known.length === 0 ? null : pick(chance, known);
  }

  private create(chance: Chance, kind: Kind): Words {
    const handle = oneIn(chance, 80) ? made.device : this.next++;
    this.objects[kind].push(handle);
    const bytes = odd(chance, (1 + chance(8)) * pageBytes, 60);
    if (kind === "memory") return new VenusStream().allocateMemory(device(chance), handle, bytes).finish();
    const words = [...call(kinds[kind].call), ...wide(device(chance)), ...kinds[kind].create(chance)];
    return [...words, ...wide(0), ...wide(1), ...wide(handle)];
  }

  private destroy(chance: Chance, kind: Kind): Words {
    const handle = this.handle(chance, kind);
    if (handle === null) return [];
    this.objects[kind] = this.objects[kind].filter((one) => one !== handle);
    return [...call(kinds[kind].destroy), ...wide(device(chance)), ...wide(handle), ...wide(0)];
  }

  /** A call about one object, with pointers to what it returns. */
  private of(chance: Chance, kind: Kind, command: number, pointers: readonly number[] = []): Words {
    const handle = this.handle(chance, kind);
    if (handle === null) return [];
    return [...call(command), ...wide(device(chance)), ...wide(handle), ...pointers.flatMap(wide)];
  }

  private resetFences(chance: Chance): Words {
    const fences = Array.from({ length: 1 + chance(3) }, () => this.handle(chance, "fence"));
    const named = fences.filter((one) => one !== null);
    if (named.length === 0) return [];
    const claimed = odd(chance, named.length, 60);
    const words = [...call(Call.vkResetFences), ...wide(device(chance)), claimed, ...wide(claimed)];
    return [...words, ...named.flatMap(wide)];
  }

  /** Calls that lie in shared memory, where the guest may change them. */
  private streamsElsewhere(chance: Chance): Words {
    const count = 1 + chance(2);
    const streams = Array.from({ length: count }, () => {
      const { resourceId, bytes } = this.blobs[1]!;
      const place = [odd(chance, resourceId, 60), ...wide(odd(chance, bytes / 2 + 64 * chance(64), 60))];
      // Mostly empty, since what lies there is the guest's scribbles.
      return [...place, ...wide(odd(chance, oneIn(chance, 12) ? 4 * chance(32) : 0, 60))];
    });
    const claimed = odd(chance, count, 60);
    const words = [
      ...call(Call.vkExecuteCommandStreamsMESA, 0),
      claimed,
      ...wide(claimed),
      ...streams.flat(),
    ];
    // Where answers begin, what it depends on, and flags.
    return [...words, ...wide(0), 0, ...wide(0), 0];
  }

  /** A ring in shared memory, which a thread of the context's process reads from then on. */
  private ring(chance: Chance): Words {
    if (this.rings.length > 1 && !oneIn(chance, 10)) return [];
    const { resourceId, bytes } = this.blobs[1]!;
    const id = this.next++;
    this.rings.push(id);
    const usual = [0, 64, 128, 192, bytes / 4, 192 + bytes / 4, 64];
    const places = usual.map((place) => odd(chance, place, 60)).flatMap(wide);
    return [
      ...[...call(Call.vkCreateRingMESA, 0), ...wide(id), ...wide(1), RING_CREATE_INFO_MESA, ...wide(0)],
      ...[odd(chance, 0, 60), odd(chance, resourceId, 60), ...wide(odd(chance, 0, 60))],
      ...[...wide(odd(chance, bytes / 2, 60)), ...wide(odd(chance, 1_000_000, 60)), ...places],
    ];
  }

  private ofRing(chance: Chance): Words {
    if (this.rings.length === 0) return [];
    const id = wide(odd(chance, pick(chance, this.rings), 60));
    switch (chance(5)) {
      case 0:
        this.rings.length = 0;
        return [...call(Call.vkDestroyRingMESA, 0), ...id];
      case 1:
        return [
          ...call(Call.vkWriteRingExtraMESA, 0),
          ...id,
          ...wide(odd(chance, 4 * chance(16), 60)),
          word(chance),
        ];
      default:
        return [...call(Call.vkNotifyRingMESA, 0), ...id, odd(chance, 0), 0];
    }
  }

  /** A call of any number, with what could be handles, pointers, counts or nothing. */
  private anything(chance: Chance): Words {
    const words = call(odd(chance, chance(callsEnd), 20), chance(2));
    const handle = (): number => this.handle(chance, pick(chance, kindNames)) ?? made.queue;
    for (let left = chance(20); left > 0; left--)
      words.push(...pick(chance, [wide(handle()), wide(chance(3)), [odd(chance, chance(40), 3)]]));
    return words;
  }
}

const device = (chance: Chance): number => odd(chance, made.device, 100);

const call = (command: number, flags: number = GENERATE_REPLY): number[] => [command, flags];

/** 64 bits. */
const wide = (value: number): number[] => [value >>> 0, Math.floor(value / 2 ** 32)];

/** A pointer to a structure of this type, with nothing in its chain. */
const structure = (chance: Chance, type: number, body: readonly number[]): number[] => [
  ...[...wide(odd(chance, 1, 100)), odd(chance, type, 100), ...wide(odd(chance, 0, 100)), ...body],
];

const bytesOf = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer as ArrayBuffer);
