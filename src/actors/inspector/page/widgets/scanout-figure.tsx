// One scanout: its picture, its size, what was damaged last and how old its last frame is.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Pixel } from "../screen/pixel-story.ts";
import type { Scanout } from "../screen/scanouts.ts";
import { wallMs } from "../store.ts";
import { duration } from "../words.ts";

/** How often an age is told anew. */
const ageMs = 200;

interface ScanoutFigureProps {
  scanout: Scanout;
  /** One pixel of the guest's is one of the screen's, instead of all that fits. */
  isExact: boolean;
  /** The chosen pixel, where it is one of this scanout. */
  pixel: Pixel | null;
  choose(pixel: Pixel): void;
}

export function ScanoutFigure({ scanout, isExact, pixel, choose }: ScanoutFigureProps) {
  const { number, canvas, overlay } = scanout;
  const { width, height } = scanout.size.value;
  const layers = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => layers.current!.replaceChildren(canvas, overlay), [canvas]);
  const error = scanout.error.value;
  const ratio = width / Math.max(1, height);
  const side = isExact ? `${width / devicePixelRatio}px` : `min(100cqw, calc(100cqh * ${ratio}))`;
  return (
    <figure class="scanout" aria-label={`Scanout ${number}`}>
      <figcaption>
        <b>{`Scanout ${number}`}</b>
        <span>{`${width}×${height}`}</span>
        <Damage scanout={scanout} />
        <span class="space" />
        <Age frame={scanout.frame.value} />
      </figcaption>
      {error !== "" && <p class="note">{error}</p>}
      <div
        class={isExact ? "room exact" : "room"}
        tabIndex={0}
        role="region"
        aria-label={`Picture of scanout ${number}: Enter chooses a pixel, arrow keys the one beside it`}
        onKeyDown={(event) => {
          const next = beside(event, pixel, scanout);
          if (next === null) return;
          event.preventDefault();
          choose(next);
        }}
      >
        <div
          class="glass"
          style={{ width: side, aspectRatio: `${width} / ${height}` }}
          onClick={(event) => choose(pixelUnder(event, scanout))}
        >
          <div ref={layers} class="layers" />
          {pixel !== null && <Cross pixel={pixel} size={{ width, height }} />}
        </div>
      </div>
    </figure>
  );
}

function Cross({ pixel: { x, y }, size }: { pixel: Pixel; size: { width: number; height: number } }) {
  const at = (place: number, length: number): string => `${(100 * (place + 0.5)) / length}%`;
  return <i class="cross" style={{ left: at(x, size.width), top: at(y, size.height) }} />;
}

/** The pixel of the guest's that a click is on. */
function pixelUnder({ currentTarget, clientX, clientY }: MouseEvent, { number, size }: Scanout): Pixel {
  const { left, top, width, height } = (currentTarget as HTMLElement).getBoundingClientRect();
  const x = Math.floor(((clientX - left) * size.peek().width) / width);
  const y = Math.floor(((clientY - top) * size.peek().height) / height);
  return within({ scanout: number, x, y }, size.peek());
}

const arrows: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] },
};

/** The pixel that a key leads to; null where it leads nowhere. With Shift arrows go ten pixels. */
function beside({ key, shiftKey }: KeyboardEvent, pixel: Pixel | null, scanout: Scanout): Pixel | null {
  const size = scanout.size.peek();
  if (pixel === null) {
    if (key !== "Enter") return null;
    return { scanout: scanout.number, x: size.width >> 1, y: size.height >> 1 };
  }
  const arrow = arrows[key];
  if (arrow === undefined) return null;
  const step = shiftKey ? 10 : 1;
  return within({ ...pixel, x: pixel.x + arrow[0] * step, y: pixel.y + arrow[1] * step }, size);
}

const within = (pixel: Pixel, { width, height }: { width: number; height: number }): Pixel => ({
  ...pixel,
  x: Math.max(0, Math.min(width - 1, pixel.x)),
  y: Math.max(0, Math.min(height - 1, pixel.y)),
});

function Damage({ scanout }: { scanout: Scanout }) {
  const area = scanout.damage.value;
  if (area === null) return null;
  const { x, y, width, height } = area;
  return <span class="dim">{`last damage ${width}×${height} at ${x}, ${y}`}</span>;
}

function Age({ frame: { ns, sink } }: { frame: { ns: number; sink: string } }) {
  const ticks = useSignal(0);
  void ticks.value;
  useEffect(() => {
    const timer = setInterval(() => ticks.value++, ageMs);
    return () => clearInterval(timer);
  }, []);
  if (ns === 0) return <span class="dim">no frame yet</span>;
  const age = Math.max(0, Date.now() - wallMs(ns));
  return <span title="Since a sink drew it last">{`frame of ${sink} ${duration(age * 1e6)} ago`}</span>;
}
