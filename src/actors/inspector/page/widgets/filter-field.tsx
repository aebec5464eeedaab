// The one field that says what a list shows. It tells of what was typed when nothing more comes for a moment.

import { useEffect, useRef } from "preact/hooks";

const quietMs = 200;

interface FilterFieldProps {
  value: string;
  placeholder: string;
  /** What is wrong with it, or "". */
  error: string;
  change(value: string): void;
}

export function FilterField({ value, placeholder, error, change }: FilterFieldProps) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = ({ currentTarget }: { currentTarget: HTMLInputElement }): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change(currentTarget.value.trim()), quietMs);
  };
  const key = (event: KeyboardEvent): void => {
    const field = event.currentTarget as HTMLInputElement;
    if (event.key !== "Escape" && event.key !== "Enter") return;
    clearTimeout(timer.current);
    // Escape first empties the field, then leaves it.
    if (event.key === "Escape" && field.value !== "") field.value = "";
    else field.blur();
    change(field.value.trim());
    event.stopPropagation();
  };
  return (
    <span class="filter">
      <input
        data-filter
        class="mono"
        type="text"
        aria-label="Filter"
        aria-invalid={error !== ""}
        spellcheck={false}
        autocomplete="off"
        placeholder={placeholder}
        value={value}
        onInput={typed}
        onKeyDown={key}
      />
      {error !== "" && (
        <span class="filter-error" role="alert">
          {error}
        </span>
      )}
    </span>
  );
}
