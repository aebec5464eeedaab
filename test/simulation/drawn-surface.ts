// A surface of a simulated compositor: what its client has asked for, and what is to be seen of it. Of a buffer that is no more
// than what was damaged, once it is drawn.

import type { Rectangle } from "../../lab/driver/commands.ts";
import type { ScriptedCompositor, ServerObject } from "../../lab/vmm/scripted-compositor.ts";
import { formatOfFourcc, Fourcc } from "../../src/picture/drm-formats.ts";
import { coloursOf, contains } from "./model-parts.ts";

/** It stands where nothing was damaged, and is of no use to whoever looks there. */
const undrawn = 0xdb_246d;
/** Of wl_shm, which has numbers of its own for two formats. */
const ownFourccs = [Fourcc.ARGB8888, Fourcc.XRGB8888];

interface Asked {
  buffer: ServerObject | null;
  source: Rectangle | null;
  destination: string;
}

export class DrawnSurface {
  title = "";
  xdgSurface: ServerObject | null = null;
  toplevel: ServerObject | null = null;
  fractional: ServerObject | null = null;
  hasViewport = false;
  /** What it was told: a scale in 120ths, and that of the output where it is, 0 for none; and its size. */
  fraction = 0;
  outputScale = 0;
  wanted = { width: 0, height: 0, isFixed: false };
  isAcknowledged = false;
  /** Whether it will be drawn. */
  isDue = false;
  /** Asked for, and not committed yet. */
  isAttached = false;
  readonly next: Asked = { buffer: null, source: null, destination: "" };
  readonly nextDamage: Rectangle[] = [];
  /** Frames that the client waits for, once they are committed. */
  readonly callbacks: ServerObject[] = [];
  private now: Asked = { buffer: null, source: null, destination: "" };
  private stale: Rectangle[] = [];
  private size = { width: 0, height: 0 };
  private pixels = new Uint32Array(0);

  constructor(
    private readonly server: ScriptedCompositor,
    readonly object: ServerObject,
  ) {}

  get isWindow(): boolean {
    return this.toplevel !== null && !this.object.isDestroyed;
  }

  get scanout(): number {
    return Number(this.title.split(" ").at(-1));
  }

  /** How many pixels of a picture one of its own takes, in 120ths. */
  get scale(): number {
    return this.fraction > 0 ? this.fraction : 120 * Math.max(1, this.outputScale);
  }

  get buffer(): ServerObject | null {
    return this.now.buffer;
  }

  /** Whether it is to be drawn from its buffer yet. */
  get isStale(): boolean {
    return this.stale.length > 0;
  }

  get destination(): string {
    return this.now.destination;
  }

  /** Returns what was wrong with what was asked for, or "". */
  commit(): string {
    const { buffer, source } = this.next;
    const damage = this.nextDamage.splice(0);
    const isAttached = this.isAttached;
    this.isAttached = false;
    this.now = { ...this.next };
    if (buffer === null) return damage.length > 0 ? "damage without a buffer" : "";
    // What is shown stays without its buffer.
    if (buffer.isDestroyed) return isAttached ? "a buffer that is destroyed" : "";
    if (this.xdgSurface !== null && !this.isAcknowledged) return "a picture before it was configured";
    const { width, height, offset, stride } = this.server.layoutOf(buffer);
    if (width < 1 || height < 1 || offset < 0 || stride < width * 4) return `a buffer of ${width}x${height}`;
    if (source !== null && !contains({ width, height }, source)) return "a source outside of its buffer";
    if (damage.some((rect) => !contains({ width, height }, rect))) return "damage outside of its buffer";
    if (width !== this.size.width || height !== this.size.height) {
      this.size = { width, height };
      this.pixels = new Uint32Array(width * height).fill(undrawn);
      this.stale = [];
    }
    this.stale.push(...damage);
    return "";
  }

  /** Takes what was damaged, as the buffer has it now. */
  draw(): void {
    const { buffer, size, pixels } = this;
    // Where it is destroyed already, the next one is under way.
    if (buffer === null || buffer.isDestroyed || !this.isStale) return;
    const { format } = this.server.layoutOf(buffer);
    const colours = coloursOf(
      this.server.pixelsOf(buffer),
      formatOfFourcc(ownFourccs[format] ?? format >>> 0)!,
    );
    for (const { x, y, width, height } of this.stale.splice(0)) {
      for (let row = y; row < y + height; row++) {
        const from = row * size.width + x;
        pixels.set(colours.subarray(from, from + width), from);
      }
    }
  }

  /** What is to be seen. */
  picture(): { width: number; height: number; pixels: Uint32Array } {
    const { source } = this.now;
    if (source === null) return { ...this.size, pixels: this.pixels };
    const { x, y, width, height } = source;
    const pixels = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = (y + row) * this.size.width + x;
      pixels.set(this.pixels.subarray(from, from + width), row * width);
    }
    return { width, height, pixels };
  }
}
