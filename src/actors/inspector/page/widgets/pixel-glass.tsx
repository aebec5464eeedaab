// A picture under a glass, from which a pixel is chosen: by a click, or by Enter and arrow keys.

import type { ComponentChildren } from "preact";
import type { Place } from "../screen/pixel-story.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

interface PixelGlassProps {
  size: Size;
  /** One pixel of the picture's is one of the screen's, instead of all that fits. */
  isExact: boolean;
  /** The chosen pixel, null where there is none. */
  place: Place | null;
  choose(place: Place): void;
  /** What the picture is of. */
  label: string;
  children: ComponentChildren;
}

export function PixelGlass({ size, isExact, place, choose, label, children }: PixelGlassProps) {
  const { width, height } = size;
  const ratio = width / Math.max(1, height);
  const side = isExact ? `${width / devicePixelRatio}px` : `min(100cqw, calc(100cqh * ${ratio}))`;
  return (
    <div
      class={isExact ? "room exact" : "room"}
      tabIndex={0}
      role="region"
      aria-label={`Picture of ${label}: Enter chooses a pixel, arrow keys the one beside it`}
      onKeyDown={(event) => {
        const next = beside(event, place, size);
        if (next === null) return;
        event.preventDefault();
        choose(next);
      }}
    >
      <div
        class="glass"
        style={{ width: side, aspectRatio: `${width} / ${height}` }}
        onClick={(event) => choose(placeUnder(event, size))}
      >
        {children}
        {place !== null && <Cross place={place} size={size} />}
      </div>
    </div>
  );
}

function Cross({ place: { x, y }, size }: { place: Place; size: Size }) {
  const at = (where: number, length: number): string => `${(100 * (where + 0.5)) / length}%`;
  return <i class="cross" style={{ left: at(x, size.width), top: at(y, size.height) }} />;
}

/** The pixel of the guest's that a click is on. */
function placeUnder({ currentTarget, clientX, clientY }: MouseEvent, size: Size): Place {
  const { left, top, width, height } = (currentTarget as HTMLElement).getBoundingClientRect();
  const x = Math.floor(((clientX - left) * size.width) / width);
  const y = Math.floor(((clientY - top) * size.height) / height);
  return within({ x, y }, size);
}

const arrows: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] },
};

/** The pixel that a key leads to; null where it leads nowhere. With Shift arrows go ten pixels. */
function beside({ key, shiftKey }: KeyboardEvent, place: Place | null, size: Size): Place | null {
  if (place === null) return key === "Enter" ? { x: size.width >> 1, y: size.height >> 1 } : null;
  const arrow = arrows[key];
  if (arrow === undefined) return null;
  const step = shiftKey ? 10 : 1;
  return within({ x: place.x + arrow[0] * step, y: place.y + arrow[1] * step }, size);
}

const within = ({ x, y }: Place, { width, height }: Size): Place => ({
  x: Math.max(0, Math.min(width - 1, x)),
  y: Math.max(0, Math.min(height - 1, y)),
});
