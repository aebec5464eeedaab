// How long commands take, by queue and type, and how many there are.

import { useEffect } from "preact/hooks";
import { type LatencyRecord, stuckMs, type UnansweredRecord } from "../../feed.ts";
import { nameText } from "../command-text.ts";
import { keyOf, LatencyHistory } from "../latency-history.ts";
import { connection, inventory, latency, onBatch } from "../store.ts";
import { Sparkline } from "../widgets/sparkline.tsx";
import { bytes, count, duration, short } from "../words.ts";

const history = new LatencyHistory();

export function Latency() {
  useEffect(() => onBatch((batch) => history.take(batch)), []);
  useEffect(() => () => history.forget(), [connection.value]);
  void history.version.value;
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
              <th class="span-heading">{`100 ns to ${duration(mostNs)}`}</th>
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

function Tile({ queue }: { queue: string }) {
  const rates = history.rates(queue);
  const now = (values: readonly number[]): number => values.at(-1) ?? 0;
  return (
    <section class="tile" aria-label={queue || "all queues"}>
      <h2>{queue || "all queues"}</h2>
      <p>
        <b>{short(now(rates.commands))}</b>
        <span class="dim"> commands/s</span>
        <span class="space" />
        <span class={now(rates.errors) > 0 ? "bad" : "dim"}>{`${short(now(rates.errors))} errors/s`}</span>
        <span class="dim">{`${bytes(now(rates.bytes))}/s`}</span>
      </p>
      <Sparkline values={rates.commands} label="Commands a second, the last minute" />
    </section>
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
        <p class={isStuck ? "bad" : "dim"}>
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
  <p class="bad">
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
        <SpanBar {...{ p50Ns, p99Ns, maxNs, mostNs }} />
      </td>
      <td>{short(commands.at(-1) ?? 0)}</td>
      <td>
        <Sparkline values={commands} label={`${type} a second, the last minute`} />
      </td>
    </tr>
  );
}

const leastNs = 100;

/** From p50 to p99 as a bar, from there to max as a line, on one logarithmic scale for all rows. */
function SpanBar({
  p50Ns,
  p99Ns,
  maxNs,
  mostNs,
}: {
  p50Ns: number;
  p99Ns: number;
  maxNs: number;
  mostNs: number;
}) {
  const scale = Math.log(Math.max(mostNs, leastNs * 2) / leastNs);
  const at = (ns: number): number => (100 * Math.log(Math.max(leastNs, ns) / leastNs)) / scale;
  const [low, high, top] = [at(p50Ns), at(p99Ns), at(maxNs)];
  return (
    <svg class="span-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect class="rail" x="0" y="4.5" width="100" height="1" />
      <rect class="tail" x={high} y="4" width={Math.max(0.5, top - high)} height="2" />
      <rect class="bulk" x={low} y="2" width={Math.max(1, high - low)} height="6" />
    </svg>
  );
}
