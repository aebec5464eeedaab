// Begins a trace, and ends it: then it is a file of the viewer's.

import { useKeys } from "../keys.ts";
import { switchTrace, traceError, tracedBytes } from "../trace.ts";
import { bytes } from "../words.ts";

export function TraceButton() {
  const traced = tracedBytes.value;
  useKeys((key) => {
    if (key !== "w") return false;
    switchTrace();
    return true;
  });
  const title = "What happens from now on as a file for ui.perfetto.dev (w)";
  return (
    <>
      {traceError.value !== "" && <span class="losses">{`no trace: ${traceError.value}`}</span>}
      <button
        type="button"
        class="plain trace"
        title={title}
        aria-pressed={traced !== null}
        onClick={switchTrace}
      >
        {traced === null ? "Trace" : `Stop · ${bytes(traced)}`}
      </button>
    </>
  );
}
