// All that is known of one actor.

import type { ActorRecord } from "../../feed.ts";
import type { ActorTraffic } from "../actor-traffic.ts";
import { count, crashText, short } from "../words.ts";

export function ActorFacts(props: { actor: ActorRecord; traffic: ActorTraffic; close(): void }) {
  const { actor, traffic, close } = props;
  const { name, state, thread, busy, processor, naps, counters, droppedRecords, isOutside } = actor;
  return (
    <aside class="side" aria-label={`Actor ${name}`}>
      <header>
        <h2>{name}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </header>
      <dl class="facts">
        <dt>state</dt>
        <dd>{state}</dd>
        {isOutside ? (
          <>
            <dt>process</dt>
            <dd>another one, which tells this itself</dd>
          </>
        ) : (
          <>
            <Crashes of={actor} />
            <dt>thread</dt>
            <dd>{thread === 0 ? "none yet" : thread}</dd>
            <dt>time working</dt>
            <dd>{`${percent(busy)} awake, ${percent(processor)} on a processor`}</dd>
            <dt>time waiting</dt>
            <dd>{`${percent(1 - busy)}${naps === 0 ? "" : `, woken ${count(naps)} times`}`}</dd>
            <dt>records dropped</dt>
            <dd>{count(droppedRecords)}</dd>
          </>
        )}
      </dl>
      {!isOutside && <Mailbox actor={actor} traffic={traffic} />}
      <h2>Counters</h2>
      <dl class="facts counters">
        {Object.entries(counters).map(([counter, value]) => (
          <>
            <dt key={counter}>{counter}</dt>
            <dd class={value === 0 ? "dim" : ""}>{count(value)}</dd>
          </>
        ))}
      </dl>
    </aside>
  );
}

const Crashes = ({ of }: { of: ActorRecord }) => (
  <>
    <dt>restarts</dt>
    <dd>{of.restarts}</dd>
    <dt>crashes in all</dt>
    <dd>{of.crashes}</dd>
    <LastCrash crash={of.lastCrash} />
  </>
);

function LastCrash({ crash }: { crash: ActorRecord["lastCrash"] }) {
  if (crash === null) return null;
  return (
    <>
      <dt>last crash</dt>
      <dd>{crashText(crash)}</dd>
    </>
  );
}

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;

/** What each peer has sent it. */
function Mailbox({ actor, traffic }: { actor: ActorRecord; traffic: ActorTraffic }) {
  const { name, mailbox, taken } = actor;
  return (
    <>
      <h2>Mailbox</h2>
      <table class="figures">
        <thead>
          <tr>
            <th>from</th>
            <th>waiting</th>
            <th>a second</th>
            <th>in all</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(taken).map(([peer, total]) => (
            <tr key={peer}>
              <td>{peer}</td>
              <td>{mailbox[peer] ?? 0}</td>
              <td>{short(traffic.rate(name, peer))}</td>
              <td>{count(total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
