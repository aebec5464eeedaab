// A list of any length, of which only the rows that are seen exist. All rows have one height, so that nothing is measured.

import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

/** As lists.css has it. */
const rowRem = 1.6;
const overscan = 6;

interface LongListProps {
  /** The number of the first row, which grows as old rows go, and that behind the last. */
  first: number;
  end: number;
  /** Whether rows come at its end, which is then shown as long as nobody scrolls. */
  grows?: boolean;
  /** What its rows' columns are, for those who cannot see it. */
  label: string;
  /** The number of the row that is chosen; -1 for none. */
  selected: number;
  select(number: number): void;
  row(number: number): ComponentChildren;
}

export function LongList({ first, end, grows = true, label, selected, select, row }: LongListProps) {
  const box = useRef<HTMLDivElement>(null);
  const { rowPx, top, height, scrolled } = useScrolling(box, first, end - first, grows);
  const moved = (event: KeyboardEvent): void => {
    const isListed = selected >= first && selected < end;
    const next = nextOf(event.key, isListed ? selected : grows ? end : first - 1, first, end);
    if (next === null) return;
    event.preventDefault();
    select(next);
    reveal(box.current!, (next - first) * rowPx, rowPx);
  };
  const from = Math.max(0, Math.floor(top / rowPx) - overscan);
  const to = Math.min(end - first, Math.ceil((top + height) / rowPx) + overscan);
  const numbers = Array.from({ length: Math.max(0, to - from) }, (_, index) => first + from + index);
  return (
    <div
      ref={box}
      class="long-list"
      tabIndex={0}
      role="listbox"
      aria-label={label}
      onScroll={scrolled}
      onKeyDown={moved}
    >
      <div style={{ height: `${(end - first) * rowPx}px` }}>
        <div style={{ transform: `translateY(${from * rowPx}px)` }}>
          {numbers.map((number) => (
            <div
              key={number}
              role="option"
              class="row"
              aria-selected={number === selected}
              onClick={() => select(number)}
            >
              {row(number)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

/** What part of the list is seen. Whoever reads goes on reading the same rows; whoever looks at the end sees what comes. */
function useScrolling(box: RefObject<HTMLDivElement | null>, first: number, length: number, grows: boolean) {
  const [, renderAgain] = useReducer((times: number) => times + 1, 0);
  const state = useRef({ follows: grows, first, rowPx: rowRem * 16 }).current;
  const { rowPx } = state;
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      state.rowPx = rowRem * parseFloat(getComputedStyle(document.documentElement).fontSize);
      renderAgain(0);
    });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = box.current!;
    if (state.follows) element.scrollTop = element.scrollHeight;
    else if (first > state.first) element.scrollTop -= (first - state.first) * rowPx;
    state.first = first;
  });
  const scrolled = (): void => {
    // What is told of a list that has just gone comes too late.
    if (box.current === null) return;
    const { scrollTop, clientHeight, scrollHeight } = box.current;
    state.follows = grows && scrollTop + clientHeight >= scrollHeight - rowPx;
    renderAgain(0);
  };
  const height = box.current?.clientHeight ?? 0;
  const top = state.follows ? Math.max(0, length * rowPx - height) : (box.current?.scrollTop ?? 0);
  return { rowPx, top, height, scrolled };
}

/** The row that a key goes to from row `at`; null where it is none of the list's. */
function nextOf(key: string, at: number, first: number, end: number): number | null {
  if (first === end) return null;
  const last = end - 1;
  if (key === "ArrowUp") return Math.max(first, at - 1);
  if (key === "ArrowDown") return Math.min(last, at + 1);
  if (key === "Home") return first;
  if (key === "End") return last;
  return null;
}

function reveal(box: HTMLElement, top: number, rowPx: number): void {
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + rowPx > box.scrollTop + box.clientHeight) box.scrollTop = top + rowPx - box.clientHeight;
}
