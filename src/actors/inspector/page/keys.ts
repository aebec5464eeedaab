// Keys that do the same everywhere. What a view does with others is its own, by `onKey`.

import { useEffect } from "preact/hooks";

/** Whether what is typed goes into a field. */
const isTyping = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLInputElement ||
  target instanceof HTMLTextAreaElement ||
  target instanceof HTMLSelectElement;

/** Calls `act` with each key that no field takes and that has no modifier, while the component is there. */
export function useKeys(act: (key: string, event: KeyboardEvent) => boolean | void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (isTyping(event) && event.key !== "Escape") return;
      if (act(event.key, event) === true) event.preventDefault();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  });
}

/** Puts the cursor into the open view's filter, where it has one. */
export function focusFilter(): boolean {
  const field = document.querySelector<HTMLInputElement>("[data-filter]");
  field?.focus();
  field?.select();
  return field !== null;
}
