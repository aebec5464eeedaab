// What each scanout shows, painted as the feed tells it: onto canvases that the view only hangs up.

import { type Signal, signal } from "@preact/signals";
import type { Batch, PictureRecord } from "../../feed.ts";
import type { CursorRecord, ScreenRecord } from "../../screen-feed.ts";
import { replay } from "../replay.ts";
import type { Pixel } from "./pixel-story.ts";
import { opaque } from "./pixels.ts";

const flashMs = 450;
const leaveMs = 500;
/** A guest may flush more often than anybody can see. */
const flashesMax = 32;

interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One scanout that is on. */
export interface Scanout {
  readonly number: number;
  readonly canvas: HTMLCanvasElement;
  /** Lies over the canvas: what flashes. */
  readonly overlay: HTMLElement;
  readonly size: Signal<{ width: number; height: number }>;
  /** Why there are no pixels, or "". */
  readonly error: Signal<string>;
  readonly damage: Signal<Area | null>;
  /** What sinks draw over the picture; null where there is none. */
  readonly cursor: Signal<CursorRecord | null>;
  /** When a sink began or had the last frame; 0 while none was seen. */
  readonly frame: Signal<{ ns: number; sink: string }>;
}

export class Scanouts {
  /** Those that are on, by number. */
  readonly all = signal<readonly Scanout[]>([]);
  /** Whether the feed has told of any, be it that it is off. */
  readonly isTold = signal(false);
  /** Whether what a flush names lights up for a moment. */
  flashes = false;
  private readonly frames = new Map<number, { ns: number; sink: string }>();
  private cursors: readonly CursorRecord[] = [];
  private readonly leaving = new Map<number, ReturnType<typeof setTimeout>>();

  take({ screen, pictures, cursors }: Batch): void {
    if (cursors !== undefined) this.point(cursors.shown);
    for (const record of screen ?? []) this.paint(record);
    for (const picture of pictures ?? []) this.note(picture);
  }

  /** What a pixel shows now, as "#rrggbb"; "" where there is none. */
  colour({ scanout, x, y }: Pixel): string {
    const found = this.all.peek().find(({ number }) => number === scanout);
    if (found === undefined || x >= found.canvas.width || y >= found.canvas.height) return "";
    const { data } = found.canvas.getContext("2d", { alpha: false })!.getImageData(x, y, 1, 1);
    return `#${Array.from(data.subarray(0, 3), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }

  private paint(record: ScreenRecord): void {
    this.isTold.value = true;
    const { viewWidth, viewHeight, width, height, pixels } = record;
    const known = this.all.peek().find(({ number }) => number === record.scanout);
    clearTimeout(this.leaving.get(record.scanout));
    if (viewWidth === 0 || viewHeight === 0) {
      if (known !== undefined) this.remove(known);
      return;
    }
    const { canvas, size, error } = known ?? this.add(record.scanout);
    if (canvas.width !== viewWidth || canvas.height !== viewHeight) {
      // Empties it; all of the new view follows.
      canvas.width = viewWidth;
      canvas.height = viewHeight;
      size.value = { width: viewWidth, height: viewHeight };
    }
    error.value = record.error;
    if (pixels.length === 0) return;
    const image = new ImageData(opaque(pixels), width, height);
    canvas.getContext("2d", { alpha: false })!.putImageData(image, record.x, record.y);
  }

  /** A replay that goes elsewhere turns all off, and most on again. */
  private remove(scanout: Scanout): void {
    const leave = (): void => {
      this.all.value = this.all.peek().filter((one) => one !== scanout);
    };
    if (replay.peek() === null) leave();
    else this.leaving.set(scanout.number, setTimeout(leave, leaveMs));
  }

  private add(number: number): Scanout {
    const overlay = document.createElement("div");
    overlay.className = "flashes";
    const scanout: Scanout = {
      ...{ number, canvas: document.createElement("canvas"), overlay },
      ...{ size: signal({ width: 0, height: 0 }), error: signal(""), damage: signal(null) },
      cursor: signal(this.cursorOf(number)),
      frame: signal(this.frames.get(number) ?? { ns: 0, sink: "" }),
    };
    scanout.canvas.setAttribute("role", "img");
    scanout.canvas.setAttribute("aria-label", `Scanout ${number}`);
    this.all.value = [...this.all.peek(), scanout].toSorted((a, b) => a.number - b.number);
    return scanout;
  }

  private point(cursors: readonly CursorRecord[]): void {
    this.cursors = cursors;
    for (const { number, cursor } of this.all.peek()) cursor.value = this.cursorOf(number);
  }

  private cursorOf(number: number): CursorRecord | null {
    return this.cursors.find(({ scanout }) => scanout === number) ?? null;
  }

  private note({ what, scanout: number, ns, sink, x, y, width, height }: PictureRecord): void {
    const scanout = this.all.peek().find((one) => one.number === number);
    if (what === "frame-begun" || what === "frame-shown") {
      // It may be told before the first pixels are.
      this.frames.set(number, { ns, sink });
      if (scanout !== undefined) scanout.frame.value = { ns, sink };
    } else if (what === "damage" && scanout !== undefined) {
      scanout.damage.value = { x, y, width, height };
      if (this.flashes) flash(scanout, { x, y, width, height });
    }
  }
}

function flash({ overlay, size }: Scanout, { x, y, width, height }: Area): void {
  if (overlay.childElementCount >= flashesMax) overlay.firstElementChild!.remove();
  const all = size.peek();
  const mark = document.createElement("i");
  mark.style.left = percent(x, all.width);
  mark.style.top = percent(y, all.height);
  mark.style.width = percent(width, all.width);
  mark.style.height = percent(height, all.height);
  overlay.append(mark);
  setTimeout(() => mark.remove(), flashMs);
}

const percent = (part: number, whole: number): string => `${(100 * part) / whole}%`;
