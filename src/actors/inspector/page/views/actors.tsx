// The actors at work: who does what, who talks to whom, and what they say.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { place, talkers } from "../actor-graph.ts";
import { ActorTraffic } from "../actor-traffic.ts";
import { useKeys } from "../keys.ts";
import { actors, connection, onBatch } from "../store.ts";
import { ActorFacts } from "../widgets/actor-facts.tsx";
import { ActorMap } from "../widgets/actor-map.tsx";
import { MessageList } from "../widgets/message-list.tsx";

const traffic = new ActorTraffic();

export const actorsKeys = [
  ["Tab", "to an actor, or to the line between two"],
  ["← → ↑ ↓", "the nearest one in that direction"],
  ["Enter", "what is known of an actor, or the last messages of two"],
] as const;

export function Actors() {
  const chosen = useSignal("");
  const close = (): void => void (chosen.value = "");
  useEffect(() => onBatch((batch) => traffic.take(batch)), []);
  useEffect(() => () => traffic.forget(), [connection.value]);
  useKeys((key) => {
    if (key !== "Escape" || chosen.peek() === "") return false;
    close();
    return true;
  });
  const all = actors.value;
  const names = all.map(({ name }) => name);
  const pairs = talkers(all);
  const graph = useMemo(() => place(names, pairs), [names.join(), pairs.join()]);
  if (all.length === 0) return <p class="nothing">No actor has been heard of yet</p>;
  const pair = graph.pairs.find(({ id }) => id === chosen.value);
  const actor = all.find(({ name }) => name === chosen.value);
  return (
    <>
      <div class="stage">
        <ActorMap
          graph={graph}
          actors={all}
          traffic={traffic}
          chosen={chosen.value}
          choose={(what) => (chosen.value = what)}
        />
      </div>
      {actor !== undefined && <ActorFacts actor={actor} traffic={traffic} close={close} />}
      {pair !== undefined && (
        <MessageList traffic={traffic} pair={pair.id} from={pair.from} to={pair.to} close={close} />
      )}
    </>
  );
}
