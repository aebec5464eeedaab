// What the server is asked for again and again while it is looked at.

import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const againMs = 1000;

/**
 * What `ask` returned last, once a second anew; null from it leaves what was there. `nothing` until then, and again when another
 * `id` is looked at.
 */
export function useAskedAgain<T>(id: number, nothing: T, ask: () => Promise<T | null>): ReadonlySignal<T> {
  const answer = useSignal(nothing);
  useEffect(() => {
    let isGone = false;
    answer.value = nothing;
    const look = async (): Promise<void> => {
      const found = await ask();
      if (!isGone && found !== null) answer.value = found;
    };
    void look();
    const timer = setInterval(() => void look(), againMs);
    return () => {
      isGone = true;
      clearInterval(timer);
    };
  }, [id]);
  return answer;
}
