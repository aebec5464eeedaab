// The one field that says what a list shows. It tells of what was typed when nothing more comes for a moment.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

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
  const input = useRef<HTMLInputElement>(null);
  /** What it has told, or was last given. */
  const known = useRef<string | null>(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLayoutEffect(() => {
    // What it told itself comes back when more may have been typed.
    if (value !== known.current) input.current!.value = known.current = value;
  }, [value]);
  const tell = (text: string): void => {
    known.current = text.trim();
    change(known.current);
  };
  const typed = ({ currentTarget }: { currentTarget: HTMLInputElement }): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => tell(currentTarget.value), quietMs);
  };
  const key = (event: KeyboardEvent): void => {
    const field = event.currentTarget as HTMLInputElement;
    if (event.key !== "Escape" && event.key !== "Enter") return;
    clearTimeout(timer.current);
    // Escape first empties the field, then leaves it.
    if (event.key === "Escape" && field.value !== "") field.value = "";
    else field.blur();
    tell(field.value);
    event.stopPropagation();
  };
  return (
    <span class="filter">
      <input
        ref={input}
        data-filter
        class="mono"
        type="text"
        aria-label="Filter"
        aria-invalid={error !== ""}
        spellcheck={false}
        autocomplete="off"
        placeholder={placeholder}
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
