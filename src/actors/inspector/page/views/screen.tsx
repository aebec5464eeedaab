// The screen: every scanout as it is shown, live, and what of it was damaged.

import { useComputed } from "@preact/signals";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { useKeys } from "../keys.ts";
import { Scanouts } from "../screen/scanouts.ts";
import type { Pixel } from "../screen/pixel-story.ts";
import { noteParameters, onBatch, viewParameters } from "../store.ts";
import { PixelDetails } from "../widgets/pixel-details.tsx";
import { ScanoutFigure } from "../widgets/scanout-figure.tsx";

export const screenKeys = [
  ["d", "let damage flash, or not"],
  ["f", "fit the pictures, or show them 1:1"],
  ["Enter", "choose a pixel of the picture that Tab leads to"],
  ["← ↑ → ↓", "the pixel beside it, with Shift ten farther; without one: scroll"],
  ["Esc", "let the pixel go"],
] as const;

export function Screen() {
  const scanouts = useMemo(() => new Scanouts(), []);
  const { flashes, isExact, pixel, note } = useChoices();
  scanouts.flashes = flashes;
  // Before the feed is asked, since all of the pixels are told once.
  useLayoutEffect(() => onBatch((batch) => scanouts.take(batch)), []);
  const all = scanouts.all.value;
  return (
    <>
      <div class="screen">
        <Tools {...{ on: all.length, flashes, isExact, note }} />
        <div class="scanouts" style={{ "--columns": Math.ceil(Math.sqrt(all.length)) }}>
          {all.map((scanout) => (
            <ScanoutFigure
              key={scanout.number}
              scanout={scanout}
              isExact={isExact}
              pixel={pixel?.scanout === scanout.number ? pixel : null}
              choose={(chosen) => note({ pixel: chosen })}
            />
          ))}
        </div>
        {all.length === 0 && scanouts.isTold.value && <p class="empty">No scanout shows anything.</p>}
      </div>
      {pixel !== null && (
        <PixelDetails
          pixel={pixel}
          colour={(one) => scanouts.colour(one)}
          close={() => note({ pixel: null })}
        />
      )}
    </>
  );
}

interface Choices {
  flashes: boolean;
  isExact: boolean;
  pixel: Pixel | null;
}

interface ToolsProps extends Omit<Choices, "pixel"> {
  on: number;
  note(own: Partial<Choices>): void;
}

const Tools = ({ on, flashes, isExact, note }: ToolsProps) => (
  <div class="tools">
    <span class="dim count">{`${on} scanout${on === 1 ? "" : "s"} on`}</span>
    <span class="space" />
    <button type="button" title="d" aria-pressed={flashes} onClick={() => note({ flashes: !flashes })}>
      Damage
    </button>
    <button
      type="button"
      title="One pixel of the guest's is one of this screen's (f)"
      aria-pressed={isExact}
      onClick={() => note({ isExact: !isExact })}
    >
      1:1
    </button>
  </div>
);

/** What was chosen; it is in the URL, and there again after a reload. */
function useChoices() {
  const flashes = useComputed(() => viewParameters.value.get("damage") === "1").value;
  const isExact = useComputed(() => viewParameters.value.get("scale") === "1").value;
  const pixel = useComputed(() => pixelIn(viewParameters.value.get("pixel") ?? "")).value;
  const note = (own: Partial<Choices>): void => {
    const all = { flashes, isExact, pixel, ...own };
    noteParameters({
      ...(all.flashes ? { damage: "1" } : {}),
      ...(all.isExact ? { scale: "1" } : {}),
      ...(all.pixel === null ? {} : { pixel: `${all.pixel.scanout}.${all.pixel.x}.${all.pixel.y}` }),
    });
  };
  useKeys((key) => {
    if (key === "d") note({ flashes: !flashes });
    else if (key === "f") note({ isExact: !isExact });
    else if (key === "Escape" && pixel !== null) note({ pixel: null });
    else return false;
    return true;
  });
  return { flashes, isExact, pixel, note };
}

function pixelIn(text: string): Pixel | null {
  const [, scanout, x, y] = /^(\d{1,2})\.(\d{1,5})\.(\d{1,5})$/.exec(text) ?? [];
  return y === undefined ? null : { scanout: Number(scanout), x: Number(x), y: Number(y) };
}
