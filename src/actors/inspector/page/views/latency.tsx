// How long commands take, by queue and type, and how many there are.

import { useEffect } from "preact/hooks";
import type { LatencyRecord } from "../../feed.ts";
import { stuckMs, type UnansweredRecord } from "../../inventory-feed.ts";
import { nameText } from "../command-text.ts";
import { keyOf, LatencyHistory } from "../latency-history.ts";
import { LoadHistory } from "../load-history.ts";
import { connection, inventory, latency, onBatch } from "../store.ts";
import { LatencyHistogram, leastNs } from "../widgets/latency-histogram.tsx";
import { LoadTiles } from "../widgets/load-tiles.tsx";
import { Sparkline } from "../widgets/sparkline.tsx";
import { bytes, count, duration, short } from "../words.ts";

const history = new LatencyHistory();
const loads = new LoadHistory();

export function Latency() {
  useHistories();
  void history.version.value;
  if (latency.value === null) return <p class="nothing">Waiting for the first figures</p>;
  const all = latency.value.toSorted((a, b) => a.queue.localeCompare(b.queue) || b.count - a.count);
  if (all.length === 0) return <p class="nothing">No command yet</p>;
  const mostNs = Math.max(...all.map(({ maxNs }) => maxNs));
  return (
    <div class="column latency">
      <div class="tiles">
        {["", ...new Set(all.map(({ queue }) => queue))].map((queue) => (
          <Tile key={queue} queue={queue} />
        ))}
        <Fences />
        <LoadTiles history={loads} />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Latency by queue and command">
        <table class="figures wide">
          <thead>
            <tr>
              <th>queue</th>
              <th>command</th>
              <th>count</th>
              <th>errors</th>
              <th>request bytes</th>
              <th>p50</th>
              <th>p99</th>
              <th>max</th>
              <th class="span-heading">{`${duration(leastNs)} to ${duration(mostNs)}`}</th>
              <th>a second</th>
              <th class="spark-heading">the last minute</th>
            </tr>
          </thead>
          <tbody>
            {all.map((one) => (
              <Row key={keyOf(one)} record={one} mostNs={mostNs} />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function useHistories(): void {
  useEffect(
    () =>
      onBatch((batch) => {
        history.take(batch);
        loads.take(batch);
      }),
    [],
  );
  const forget = (): void => {
    history.forget();
    loads.forget();
  };
  useEffect(() => forget, [connection.value]);
}

function Tile({ queue }: { queue: string }) {
  const rates = history.rates(queue);
  const now = (values: readonly number[]): number => values.at(-1) ?? 0;
  return (
    <section class="tile" aria-label={queue || "all queues"}>
      <h2>{queue || "all queues"}</h2>
      <p>
        <b>{short(now(rates.commands))}</b>
        <span class="dim"> commands/s</span>
      </p>
      <p>
        <span class={now(rates.errors) > 0 ? "bad" : "dim"}>{`${short(now(rates.errors))} errors/s`}</span>
        <span class="dim">{`${bytes(now(rates.bytes))}/s`}</span>
      </p>
      {queue !== "" && <Pace queue={queue} />}
      <Sparkline values={rates.commands} label="Commands a second, the last minute" />
      <Sparkline values={rates.bytes} label="Request bytes a second, the last minute" />
    </section>
  );
}

/** How often a queue was woken, and has interrupted the guest. */
function Pace({ queue }: { queue: string }) {
  void loads.version.value;
  const { interrupts, wakeUps } = loads.queue(queue);
  if (interrupts.length === 0) return null;
  return (
    <p class="dim">
      {`${interrupts.at(-1)!.toFixed(2)} interrupts a command, ${short(wakeUps.at(-1)!)} kicks that woke it/s`}
    </p>
  );
}

/** Commands that wait for the renderer now: one that waits for long is stuck, and its guest with it. */
function Fences() {
  const { fences, unanswered } = inventory.value;
  const oldest = fences.toSorted((a, b) => b.ageMs - a.ageMs)[0];
  const isStuck = oldest !== undefined && oldest.ageMs > stuckMs;
  return (
    <section class={isStuck || unanswered !== null ? "tile alarm" : "tile"} aria-label="fences">
      <h2>fences</h2>
      <p>
        <b>{fences.length}</b>
        <span class="dim"> in flight</span>
      </p>
      {oldest !== undefined && (
        <p class={isStuck ? "told bad" : "told dim"}>
          {`fence ${oldest.fence} of context ${nameText(oldest.context, oldest.contextName)} for ${duration(oldest.ageMs * 1e6)}: `}
          <CommandLink id={oldest.command} type={oldest.type} />
        </p>
      )}
      {unanswered !== null && <Unanswered {...unanswered} />}
    </section>
  );
}

/** The renderer's library has not come back. */
const Unanswered = ({ command, type, resource, context, contextName, ageMs }: UnansweredRecord) => (
  <p class="told bad">
    {`ctrl-queue answers nothing for ${duration(ageMs * 1e6)}: in `}
    {command === "" ? "no command" : <CommandLink id={command} type={type} />}
    {resource > 0 && ` of resource ${resource}`}
    {context > 0 && ` of context ${nameText(context, contextName)}`}
  </p>
);

const CommandLink = ({ id, type }: { id: string; type: string }) =>
  id === "" ? <>{type}</> : <a href={`#timeline?${new URLSearchParams({ command: id })}`}>{type}</a>;

function Row({ record, mostNs }: { record: LatencyRecord; mostNs: number }) {
  const { queue, type, errors, p50Ns, p99Ns, maxNs } = record;
  const { commands } = history.rates(keyOf(record));
  return (
    <tr data-type={type}>
      <td class="dim">{queue.replace("-queue", "")}</td>
      <td class="mono">{type}</td>
      <td>{count(record.count)}</td>
      <td class={errors > 0 ? "bad" : "dim"}>{count(errors)}</td>
      <td>{bytes(record.bytes)}</td>
      <td>{duration(p50Ns)}</td>
      <td>{duration(p99Ns)}</td>
      <td>{duration(maxNs)}</td>
      <td>
        <LatencyHistogram {...{ type, buckets: record.buckets, p50Ns, p99Ns, mostNs }} />
      </td>
      <td>{short(commands.at(-1) ?? 0)}</td>
      <td>
        <Sparkline values={commands} label={`${type} a second, the last minute`} />
      </td>
    </tr>
  );
}
