// Break and step from a shell: sets a break and waits for it, lets commands run, and shows what is about to.

import type { Batch, BreakRecord } from "../actors/inspector/feed.ts";
import { hexCommand } from "../actors/inspector/page/command-text.ts";
import { MonotonicClock } from "../transport/os/monotonic-clock.ts";
import { breakText } from "./break-text.ts";
import { InspectorClient, type Taker } from "./inspector-client.ts";
import { onStopSignals } from "../transport/os/stop-signals.ts";
import { plainJson } from "./plain-json.ts";

export type Breaking = { json: boolean } & (
  | { what: "tell" }
  | { what: "break"; filter: string }
  | { what: "step"; count: number }
  | { what: "continue" }
);

/** Does it, and shows where the ctrl queue is then. Throws where it cannot be done, or the server is not there. */
export async function breakAndStep(controlPath: string, wanted: Breaking): Promise<void> {
  const client = await InspectorClient.find(controlPath);
  const show = (record: BreakRecord): void => console.log(wanted.json ? jsonOf(record) : textOf(record));
  switch (wanted.what) {
    case "tell": {
      const record = await client.get<BreakRecord>("/api/break");
      return console.log(wanted.json ? plainJson(JSON.stringify(record)) : textOf(record));
    }
    case "break":
      return await hold(client, wanted.filter, show);
    case "step":
    case "continue":
      return await act(client, wanted, show);
  }
}

/** Sets a break, shows where it stops the queue, and holds that there until it goes on, or a signal comes. */
async function hold(
  client: InspectorClient,
  filter: string,
  show: (record: BreakRecord) => void,
): Promise<void> {
  let isHit = false;
  await talk(client, [{ type: "break", filter }], (record, end) => {
    const isOurs = record.heldBy.includes(filter);
    if (isOurs && !isHit) {
      isHit = true;
      show(record);
      console.error("ctl: the guest waits until `ctl continue`, or Ctrl-C here");
    } else if (isHit && !isOurs) end();
  });
}

/** Lets commands run of a queue that is paused. */
async function act(
  client: InspectorClient,
  wanted: { what: "continue" } | { what: "step"; count: number },
  show: (record: BreakRecord) => void,
): Promise<void> {
  let before = -1;
  await talk(client, [], (record, end, say) => {
    if (before < 0) {
      before = record.stops;
      say(wanted.what === "step" ? { type: "step", count: wanted.count } : { type: "continue" });
    } else if (record.state !== "paused" || (record.stops > before && record.steps === 0)) {
      show(record);
      end();
    }
  });
}

/** Tells `take` of every change until it ends that, or a signal does. Throws what the inspector says is wrong. */
async function talk(
  client: InspectorClient,
  first: Parameters<InspectorClient["follow"]>[0],
  take: (record: BreakRecord, end: () => void, say: Parameters<Taker>[1]) => void,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  onStopSignals(end, () => process.exit(1));
  let error = "";
  const taker: Taker = (batch: Batch, say) => {
    if (batch.error !== undefined) {
      error = batch.error;
      end();
    } else if (batch.break !== undefined) take(batch.break, end, say);
  };
  await client.follow([...first, { type: "subscribe", topic: "break" }], taker, ending.signal);
  if (error !== "") throw new Error(error);
  if (!ending.signal.aborted) throw new Error("the inspector has gone, and the ctrl queue goes on");
}

function textOf(record: BreakRecord): string {
  const clock = new MonotonicClock();
  try {
    return breakText(record, clock.now());
  } finally {
    clock.close();
  }
}

/** As /api/break has it, whichever way it came. */
function jsonOf({ next, cause, ...record }: BreakRecord): string {
  return plainJson(
    JSON.stringify({ ...record, next: next && hexCommand(next), cause: cause && hexCommand(cause) }),
  );
}
