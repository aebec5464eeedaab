// Recordings written by hand, for tests of what reads them: of a guest with one region of memory and no device.

import type { Start } from "../../src/transport/wire/record/details.ts";
import { entryFields, EntryKind, type EntryName } from "../../src/transport/wire/record/entries.ts";
import { RecordingWriter } from "../../src/transport/wire/record/writer.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { pageBytes } from "../../lab/driver/guest-memory.ts";

const tapeStart: Start = {
  server: "0.1.0",
  wallMs: 0,
  monotonicNs: 0,
  isFromStart: true,
  hasChecksums: false,
  features: 2,
  renderer: { renderer: "software" },
  storage: "memfd",
  outputs: [{ width: 640, height: 480 }],
  limits: {},
  notRecorded: [],
};

/** What the guest has of it. */
export const memory = { address: 0, length: 64 * 1024 * 1024 };

export class Tape {
  readonly writer: RecordingWriter;
  private readonly parts: Uint8Array[] = [];
  private readonly ids = [0, 0];
  /** Nanoseconds. */
  time = 0;
  private nextPage = pageBytes;

  constructor(start: Partial<Start> = {}) {
    this.writer = new RecordingWriter((bytes) => void this.parts.push(bytes.slice()), {
      ...tapeStart,
      ...start,
    });
    this.memory([memory]);
    this.add("ring", { queue: 0, running: 1, features: 2, num: 64 });
    this.add("ring", { queue: 1, running: 1, features: 2, num: 16 });
  }

  add(kind: EntryName, numbers: Record<string, number>, body: Uint8Array = new Uint8Array(0)): void {
    const columns = entryFields[kind].map((field) => numbers[field] ?? 0);
    this.writer.add(EntryKind[kind], (this.time += 1e6), columns, body.length).set(body);
  }

  memory(regions: readonly { address: number; length: number }[]): void {
    const body = new BigUint64Array(
      regions.flatMap(({ address, length }) => [BigInt(address), BigInt(length)]),
    );
    this.add("memory", {}, new Uint8Array(body.buffer));
  }

  /** A command; `during` adds what it reads and shows. Its answer comes at once, unless its type is null. */
  command(
    request: DataView,
    { queue = 0, type = Response.OK_NODATA as number | null, during = () => {} } = {},
  ): number {
    const body = new Uint8Array(request.buffer, request.byteOffset, request.byteLength);
    const id = ++this.ids[queue]!;
    this.add("command", { queue, id, room: 24 }, body);
    during();
    if (type !== null) this.add("answer", { queue, id, type });
    return id;
  }

  /** Pages of guest memory that nothing else was given. */
  allocate(length: number): { address: number; length: number } {
    const address = this.nextPage;
    this.nextPage += Math.ceil(length / pageBytes) * pageBytes;
    return { address, length };
  }

  /** Ends it, and returns the file. */
  end(): Buffer {
    this.writer.end(this.time, { reason: "stopped", text: "as asked" });
    return this.bytes();
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}
