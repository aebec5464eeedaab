// A trace of ours in Perfetto's trace_processor, and what must hold of any.

import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { TraceProcessor } from "../../lab/perfetto/trace-processor.ts";

export const openTrace = (path: string): Promise<TraceProcessor> =>
  TraceProcessor.read(new Uint8Array(readFileSync(path)));

/** Fails where trace_processor finds fault with a trace, where a slice is not inside of its parent, or siblings overlap. */
export function expectSound(trace: TraceProcessor): void {
  const faults = "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0";
  expect(trace.query(faults)).toEqual([]);
  const outside = `SELECT child.name, parent.name AS parent FROM slice child JOIN slice parent
    ON child.parent_id = parent.id AND child.track_id = parent.track_id
    WHERE child.ts < parent.ts OR parent.dur >= 0 AND child.ts + child.dur > parent.ts + parent.dur`;
  expect(trace.query(outside)).toEqual([]);
  const overlapping = `SELECT name, ts, end, next FROM (
      SELECT name, ts, ts + dur AS end, LEAD(ts) OVER (PARTITION BY track_id, depth ORDER BY ts, id) AS next FROM slice)
    WHERE end > next`.replaceAll(/\bend\b/g, "ends");
  expect(trace.query(overlapping)).toEqual([]);
}
