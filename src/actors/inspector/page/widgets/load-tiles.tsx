// Tiles of what the device takes of the host: memory, descriptors, and how often its threads are woken.

import type { LoadHistory } from "../load-history.ts";
import { bytes, count, short } from "../words.ts";
import { Sparkline } from "./sparkline.tsx";

export function LoadTiles({ history }: { history: LoadHistory }) {
  void history.version.value;
  const { last } = history;
  if (last === undefined) return null;
  const wakeUps = history.wakeUps();
  return (
    <>
      <section class="tile" aria-label="memory">
        <h2>memory</h2>
        <p>
          <b>{bytes(last.ownBytes)}</b>
          <span class="dim"> its own</span>
        </p>
        <p class="dim">{`${bytes(last.sharedBytes)} shared; ${bytes(last.storageBytes)} of resources, ${bytes(last.guestBytes)} of the guest mapped`}</p>
        <Sparkline
          values={history.values(({ ownBytes }) => ownBytes)}
          label="Its own memory, the last minute"
        />
      </section>
      <section class="tile" aria-label="threads">
        <h2>threads</h2>
        <p>
          <b>{short(wakeUps.at(-1) ?? 0)}</b>
          <span class="dim"> wake-ups/s</span>
        </p>
        <p class="dim">{`${count(last.descriptors)} descriptors open`}</p>
        <Sparkline values={wakeUps} label="Wake-ups of all threads a second, the last minute" />
        <Sparkline values={history.values((one) => one.descriptors)} label="Descriptors, the last minute" />
      </section>
    </>
  );
}
