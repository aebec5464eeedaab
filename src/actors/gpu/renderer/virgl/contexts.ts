// Contexts of the library's GL, and what each has.

import { asPointer } from "../../../../ffi/libc.ts";
import type { Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { Capset } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { Census, type Tally } from "./census.ts";

export class VirglContexts {
  private readonly byId = new Map<number, Census>();
  /** The context that had a stream last, and what it has; 0 and undefined where there is none. */
  private last = 0;
  private lastCensus: Census | undefined;

  constructor(
    private readonly library: Virglrenderer,
    private readonly tally: Tally,
  ) {}

  has(id: number): boolean {
    return this.byId.has(id);
  }

  /** `name`: the native address of its text. Returns an errno. */
  create(id: number, capset: number, name: number, length: number): number {
    const text = asPointer(name);
    const flags = capset === 0 ? Capset.VIRGL2 : capset;
    const { required, contextFlags } = this.library;
    const error =
      contextFlags === null
        ? required.virgl_renderer_context_create(id, length, text)
        : contextFlags.virgl_renderer_context_create_with_flags(id, flags, length, text);
    if (error !== 0) return Math.abs(error);
    this.byId.set(id, new Census(this.tally));
    // The library has made the new one's GL context current and not noticed: the next stream of the context before would run
    // in it. A stream of nothing switches, and is noticed.
    required.virgl_renderer_submit_cmd(text, id, 0);
    return 0;
  }

  destroy(id: number): void {
    this.byId.get(id)?.close();
    this.byId.delete(id);
    this.last = 0;
    this.lastCensus = undefined;
    this.library.required.virgl_renderer_context_destroy(id);
  }

  /** Most streams are of the context that had the last one. */
  censusOf(id: number): Census | undefined {
    return id === this.last ? this.lastCensus : this.find(id);
  }

  private find(id: number): Census | undefined {
    this.lastCensus = this.byId.get(id);
    this.last = this.lastCensus === undefined ? 0 : id;
    return this.lastCensus;
  }
}
