// The bytes of a snapshot that is taken up, in memory that outlives whoever takes it up, and how far that is.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { copySent } from "../../transport/os/sent-bytes.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { KeptWord, SnapshotStage } from "./manifest.ts";

export class KeptSnapshot {
  private mapped: NativeMemory | null = null;

  constructor(private readonly context: ActorContext) {}

  /** A {@link SnapshotStage}. */
  get stage(): number {
    return this.context.keep[KeptWord.snapshot]!;
  }

  set stage(stage: number) {
    this.context.keep[KeptWord.snapshot] = stage;
  }

  /** Copies the first `bytes`, one or more whole words, of a file whose descriptor it takes over. They count for nothing until there is a stage. */
  put(fd: number, bytes: number): Uint32Array {
    this.empty();
    copySent(fd, new Uint8Array(this.memory.view(0, bytes)));
    this.context.keep[KeptWord.snapshotWords] = bytes / 4;
    return this.words();
  }

  /** What is there, until {@link empty}. */
  words(): Uint32Array {
    const count = this.context.keep[KeptWord.snapshotWords]!;
    // Whoever has written that may have been anybody.
    const isSound = count > 0 && count <= this.memory.length / 4;
    return isSound ? new Uint32Array(this.memory.view(0, count * 4)) : new Uint32Array(0);
  }

  empty(): void {
    this.stage = SnapshotStage.none;
    this.mapped?.vacate();
    this.close();
  }

  close(): void {
    this.mapped?.unmap();
    this.mapped = null;
  }

  private get memory(): NativeMemory {
    return (this.mapped ??= this.context.area("snapshot", "write"));
  }
}
