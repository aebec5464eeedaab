// The tracks of a trace: made when they are first needed, as many as a guest may have made.

import type { TraceWriter } from "../../../transport/wire/perfetto/trace-writer.ts";

/** Tracks that groups may have together: guests can have any number made. */
const groupedMax = 2048;
/** Room for the tracks of each life of the inspector's in the same file. */
const uuidsPerLife = 2 ** 24;

export class Tracks {
  private readonly byKey = new Map<string, number>();
  private readonly process: number;
  private last: number;

  constructor(
    private readonly writer: TraceWriter,
    life: number,
  ) {
    this.last = life * uuidsPerLife;
    this.process = ++this.last;
    writer.track({ uuid: this.process, name: "fencepost", process: { pid: process.pid } });
  }

  /** The track of the whole process. */
  get ofProcess(): number {
    return this.process;
  }

  ofThread(name: string, tid: number): number {
    return this.get(`thread ${name}`, (uuid) =>
      this.writer.track({ uuid, name, thread: { pid: process.pid, tid } }),
    );
  }

  ofCounter(name: string): number {
    return this.get(`counter ${name}`, (uuid) =>
      this.writer.track({ uuid, name, parent: this.process, rank: 1, isCounter: true }),
    );
  }

  /**
   * The track `name` of a group of such; those of the same name, with numbers of their own, are beside each other. Returns 0
   * where there are too many.
   */
  in(group: string, name: string, number = 0): number {
    const parent = this.get(`group ${group}`, (uuid) =>
      this.writer.track({ uuid, name: group, parent: this.process, rank: 0 }),
    );
    const key = `${group} ${name} ${number}`;
    if (this.byKey.size >= groupedMax && !this.byKey.has(key)) return 0;
    return this.get(key, (uuid) => this.writer.track({ uuid, name, parent, rank: number }));
  }

  private get(key: string, make: (uuid: number) => void): number {
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const uuid = ++this.last;
    make(uuid);
    this.byKey.set(key, uuid);
    return uuid;
  }
}
