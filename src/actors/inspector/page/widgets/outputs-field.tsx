// The guest's outputs in one line, as `ctl outputs set` takes it: what is typed anew and entered, they are from then on.

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { OutputsRecord } from "../../outputs-feed.ts";
import { useAskedAgain } from "../asked-again.ts";
import { orNull } from "../command-history.ts";
import { ask, post } from "../store.ts";

const path = "/api/outputs";
const title =
  'Modes of the outputs, as in "1280x800,off", or of some by their numbers, as in "1=1920x1080"; Enter sets them';

interface Typing {
  /** What is typed and not entered; null while nobody types. */
  text: Signal<string | null>;
  error: Signal<string>;
  /** What came of the last change, until they are asked for again. */
  changed: Signal<OutputsRecord | null>;
}

export function OutputsField() {
  const asked = useAskedAgain<OutputsRecord | null>(0, null, () => orNull(ask(path)));
  const typing: Typing = { text: useSignal(null), error: useSignal(""), changed: useSignal(null) };
  const { text, error, changed } = typing;
  useEffect(() => void (changed.value = null), [asked.value]);
  const told = changed.value ?? asked.value;
  // A replay has none.
  if (told === null) return null;
  const isVmms = told.said === "vmm";
  return (
    <span class="filter outputs">
      <label>
        <span class="dim">Outputs</span>
        <input
          class="mono"
          type="text"
          spellcheck={false}
          autocomplete="off"
          title={isVmms ? "The VMM shows the picture, and says the modes" : title}
          readOnly={isVmms}
          value={text.value ?? textOf(told)}
          aria-invalid={error.value !== ""}
          onInput={({ currentTarget }) => (text.value = currentTarget.value)}
          onKeyDown={(event) => pressed(event, typing)}
        />
      </label>
      {error.value !== "" && (
        <span class="filter-error" role="alert">
          {error.value}
        </span>
      )}
    </span>
  );
}

function pressed(event: KeyboardEvent, typing: Typing): void {
  const field = event.currentTarget as HTMLInputElement;
  if (event.key === "Enter") void enter(field.value, typing);
  else if (event.key === "Escape") {
    typing.text.value = null;
    typing.error.value = "";
    field.blur();
  } else return;
  event.stopPropagation();
}

async function enter(modes: string, { text, error, changed }: Typing): Promise<void> {
  try {
    changed.value = await post<OutputsRecord>(path, modes);
    text.value = null;
    error.value = "";
  } catch (refused) {
    // Whatever it is, the person who typed is told.
    error.value = (refused as Error).message;
  }
}

/** What would set them as they are. A VMM's sixteen are told up to the last that is on. */
function textOf({ said, outputs }: OutputsRecord): string {
  const count = said === "vmm" ? outputs.findLastIndex(({ isOn }) => isOn) + 1 : outputs.length;
  return outputs
    .slice(0, count)
    .map(({ isOn, width, height }) => (isOn ? `${width}x${height}` : "off"))
    .join(",");
}
