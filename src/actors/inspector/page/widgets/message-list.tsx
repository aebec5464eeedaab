// The last messages between two actors, decoded.

import type { MessageRecord } from "../../feed.ts";
import type { ActorTraffic } from "../actor-traffic.ts";
import { wallMs } from "../store.ts";
import { clock, duration, short } from "../words.ts";

const shownMax = 60;

interface MessageListProps {
  traffic: ActorTraffic;
  pair: string;
  from: string;
  to: string;
  close(): void;
}

export function MessageList({ traffic, pair, from, to, close }: MessageListProps) {
  void traffic.version.value;
  const messages = traffic.last(pair, shownMax);
  return (
    <aside class="side" aria-label={`Messages ${pair}`}>
      <header>
        <h2>{pair}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </header>
      <dl class="facts">
        <dt>{`${from} → ${to}`}</dt>
        <dd>{`${short(traffic.rate(to, from))}/s`}</dd>
        <dt>{`${to} → ${from}`}</dt>
        <dd>{`${short(traffic.rate(from, to))}/s`}</dd>
      </dl>
      <h2>Last messages</h2>
      {messages.length === 0 && <p class="dim">None since this view was opened</p>}
      <ol class="messages">
        {messages.map((one) => (
          <Message key={`${one.from}:${one.number}`} message={one} />
        ))}
      </ol>
    </aside>
  );
}

function Message({ message }: { message: MessageRecord }) {
  const { name, from, to, sentNs, receivedNs, fields, command } = message;
  return (
    <li>
      <div>
        <b>{name}</b>
        <span class="dim">{` ${from} → ${to}`}</span>
      </div>
      <div class="dim">
        {clock(wallMs(sentNs || receivedNs))}
        {sentNs > 0 && receivedNs > 0 ? `, taken after ${duration(Math.max(0, receivedNs - sentNs))}` : ""}
        {command !== "" && (
          <>
            {" for "}
            <a href={`#commands?${new URLSearchParams({ filter: `id:${command}` })}`}>{command}</a>
          </>
        )}
      </div>
      {fields.length > 0 && (
        <div class="message-fields">
          {fields.map((field) => (
            <span key={field.name}>
              <span class="dim">{`${field.name}=`}</span>
              {String(field.value)}
            </span>
          ))}
        </div>
      )}
    </li>
  );
}
