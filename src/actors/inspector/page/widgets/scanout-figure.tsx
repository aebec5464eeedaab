// One scanout: its picture, its size, what was damaged last and how old its last frame is.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Pixel } from "../screen/pixel-story.ts";
import type { Scanout } from "../screen/scanouts.ts";
import { wallMs } from "../store.ts";
import { duration } from "../words.ts";
import { transparent } from "../screen/pixels.ts";
import { PixelGlass } from "./pixel-glass.tsx";

/** Of each side of a cursor's image. */
const cursorSize = 64;

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
  return (
    <figure class="scanout" aria-label={`Scanout ${number}`}>
      <figcaption>
        <b>{`Scanout ${number}`}</b>
        <span>{`${width}×${height}`}</span>
        <Damage scanout={scanout} />
        <Pointed scanout={scanout} />
        <span class="space" />
        <Age frame={scanout.frame.value} />
      </figcaption>
      {error !== "" && <p class="note">{error}</p>}
      <PixelGlass
        size={{ width, height }}
        isExact={isExact}
        place={pixel}
        choose={(place) => choose({ ...place, scanout: number })}
        label={`scanout ${number}`}
      >
        <div ref={layers} class="layers" />
        <Cursor scanout={scanout} />
      </PixelGlass>
    </figure>
  );
}

/** The cursor as sinks draw it on top. */
function Cursor({ scanout }: { scanout: Scanout }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cursor = scanout.cursor.value;
  const { width, height } = scanout.size.value;
  useLayoutEffect(() => {
    if (cursor === null) return;
    const image = new ImageData(transparent(cursor.image), cursorSize, cursorSize);
    canvas.current!.getContext("2d")!.putImageData(image, 0, 0);
  }, [cursor]);
  if (cursor === null) return null;
  const percent = (part: number, whole: number): string => `${(100 * part) / whole}%`;
  return (
    <canvas
      ref={canvas}
      class="cursor"
      role="img"
      aria-label={`Cursor of scanout ${scanout.number}`}
      width={cursorSize}
      height={cursorSize}
      style={{
        left: percent(cursor.x, width),
        top: percent(cursor.y, height),
        width: percent(cursorSize, width),
        height: percent(cursorSize, height),
      }}
    />
  );
}

function Pointed({ scanout }: { scanout: Scanout }) {
  const cursor = scanout.cursor.value;
  if (cursor === null) return null;
  const { x, y, hotX, hotY } = cursor;
  return <span class="dim">{`cursor at ${x}, ${y}, hot spot ${hotX}, ${hotY}`}</span>;
}

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
  if (ns === 0) return <span class="dim">no frame since this page opened</span>;
  const age = Math.max(0, Date.now() - wallMs(ns));
  return <span title="Since a sink drew it last">{`frame of ${sink} ${duration(age * 1e6)} ago`}</span>;
}
