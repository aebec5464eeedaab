// The screen: every scanout as it is shown, live, and what of it was damaged.

import { useComputed } from "@preact/signals";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { useKeys } from "../keys.ts";
import { Scanouts } from "../screen/scanouts.ts";
import { noteParameters, onBatch, viewParameters } from "../store.ts";
import { ScanoutFigure } from "../widgets/scanout-figure.tsx";

export const screenKeys = [
  ["d", "let damage flash, or not"],
  ["f", "fit the pictures, or show them 1:1"],
  ["← ↑ → ↓", "scroll the picture under the cursor"],
] as const;

export function Screen() {
  const scanouts = useMemo(() => new Scanouts(), []);
  const { flashes, isExact, note } = useChoices();
  scanouts.flashes = flashes;
  // Before the feed is asked, since all of the pixels are told once.
  useLayoutEffect(() => onBatch((batch) => scanouts.take(batch)), []);
  const all = scanouts.all.value;
  return (
    <div class="screen">
      <div class="tools">
        <span class="dim count">{`${all.length} scanout${all.length === 1 ? "" : "s"} on`}</span>
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
      <div class="scanouts" style={{ "--columns": Math.ceil(Math.sqrt(all.length)) }}>
        {all.map((scanout) => (
          <ScanoutFigure key={scanout.number} scanout={scanout} isExact={isExact} />
        ))}
      </div>
      {all.length === 0 && scanouts.isTold.value && <p class="empty">No scanout shows anything.</p>}
    </div>
  );
}

/** What the buttons say; it is in the URL, and there again after a reload. */
function useChoices() {
  const flashes = useComputed(() => viewParameters.value.get("damage") === "1").value;
  const isExact = useComputed(() => viewParameters.value.get("scale") === "1").value;
  const note = (own: { flashes?: boolean; isExact?: boolean }): void => {
    const all = { flashes, isExact, ...own };
    noteParameters({ ...(all.flashes ? { damage: "1" } : {}), ...(all.isExact ? { scale: "1" } : {}) });
  };
  useKeys((key) => {
    if (key === "d") note({ flashes: !flashes });
    else if (key === "f") note({ isExact: !isExact });
    else return false;
    return true;
  });
  return { flashes, isExact, note };
}
