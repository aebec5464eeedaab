// The screen: every scanout as it is shown, live, and what of it was damaged.

import { useLayoutEffect, useMemo } from "preact/hooks";
import { useKeys } from "../keys.ts";
import { Scanouts } from "../screen/scanouts.ts";
import { type Pixel, storyOf } from "../screen/pixel-story.ts";
import { noteParameters, onBatch, viewParameters } from "../store.ts";
import { PixelDetails } from "../widgets/pixel-details.tsx";
import { OutputsField } from "../widgets/outputs-field.tsx";
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
  const { flashes, isExact, pixel } = useChoices();
  scanouts.flashes = flashes;
  // Before the feed is asked, since all of the pixels are told once.
  useLayoutEffect(() => onBatch((batch) => scanouts.take(batch)), []);
  const all = scanouts.all.value;
  return (
    <>
      <div class="screen">
        <Tools {...{ on: all.length, flashes, isExact }} />
        <div class="scanouts" style={{ "--columns": Math.ceil(Math.sqrt(all.length)) }}>
          {all.map((scanout) => (
            <ScanoutFigure
              key={scanout.number}
              scanout={scanout}
              isExact={isExact}
              pixel={pixel?.scanout === scanout.number ? pixel : null}
              choose={(next) => note({ pixel: next })}
            />
          ))}
        </div>
        {all.length === 0 && scanouts.isTold.value && <p class="empty">No scanout shows anything.</p>}
      </div>
      {pixel !== null && (
        <PixelDetails
          title={`Pixel ${pixel.x}, ${pixel.y} of scanout ${pixel.scanout}`}
          colour={() => scanouts.colour(pixel)}
          of={`${pixel.scanout} ${pixel.x} ${pixel.y}`}
          story={() => storyOf(pixel)}
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
}

const Tools = ({ on, flashes, isExact }: ToolsProps) => (
  <div class="tools">
    <span class="dim count">{`${on} scanout${on === 1 ? "" : "s"} on`}</span>
    <OutputsField />
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

/** What was chosen, as the URL has it: it is there again after a reload. */
function chosen(): Choices {
  const { value } = viewParameters;
  return {
    ...{ flashes: value.get("damage") === "1", isExact: value.get("scale") === "1" },
    pixel: pixelIn(value.get("pixel") ?? ""),
  };
}

function note(own: Partial<Choices>): void {
  const { flashes, isExact, pixel } = { ...chosen(), ...own };
  noteParameters({
    ...(flashes ? { damage: "1" } : {}),
    ...(isExact ? { scale: "1" } : {}),
    ...(pixel === null ? {} : { pixel: `${pixel.scanout}.${pixel.x}.${pixel.y}` }),
  });
}

function useChoices(): Choices {
  useKeys((key) => {
    // As it is now: keys may come faster than the page is drawn.
    const { flashes, isExact, pixel } = chosen();
    if (key === "d") note({ flashes: !flashes });
    else if (key === "f") note({ isExact: !isExact });
    else if (key === "Escape" && pixel !== null) note({ pixel: null });
    else return false;
    return true;
  });
  return chosen();
}

function pixelIn(text: string): Pixel | null {
  const [, scanout, x, y] = /^(\d{1,2})\.(\d{1,5})\.(\d{1,5})$/.exec(text) ?? [];
  return y === undefined ? null : { scanout: Number(scanout), x: Number(x), y: Number(y) };
}
