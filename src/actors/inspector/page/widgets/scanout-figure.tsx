// One scanout: its picture, its size, what was damaged last and how old its last frame is.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Scanout } from "../screen/scanouts.ts";
import { wallMs } from "../store.ts";
import { duration } from "../words.ts";

/** How often an age is told anew. */
const ageMs = 200;

interface ScanoutFigureProps {
  scanout: Scanout;
  /** One pixel of the guest's is one of the screen's, instead of all that fits. */
  isExact: boolean;
}

export function ScanoutFigure({ scanout, isExact }: ScanoutFigureProps) {
  const { number, canvas, overlay } = scanout;
  const { width, height } = scanout.size.value;
  const glass = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => glass.current!.replaceChildren(canvas, overlay), [canvas]);
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
        aria-label={`Picture of scanout ${number}`}
      >
        <div ref={glass} class="glass" style={{ width: side, aspectRatio: `${width} / ${height}` }} />
      </div>
    </figure>
  );
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
  if (ns === 0) return <span class="dim">no frame yet</span>;
  const age = Math.max(0, Date.now() - wallMs(ns));
  return <span title="Since a sink drew it last">{`frame of ${sink} ${duration(age * 1e6)} ago`}</span>;
}
