// The keys that there are.

import { useEffect, useRef } from "preact/hooks";
import { replay, replayKeys } from "../replay.ts";
import type { View } from "../views.ts";

const everywhere = [
  ["1 – 8", "open a view"],
  ["/", "go to the filter"],
  ["t", "dark, light, or as the system has it"],
  ["w", "write a trace for Perfetto, or end it and save it"],
  ["Esc", "close what is open"],
  ["?", "these keys"],
] as const;

export function KeyList({ view, close }: { view: View; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="keys" onClose={close} onClick={close} aria-label="Keys">
      <h2>Keys</h2>
      <Rows rows={everywhere} />
      {replay.value !== null && (
        <>
          <h2>Recording</h2>
          <Rows rows={replayKeys} />
        </>
      )}
      {view.keys !== undefined && (
        <>
          <h2>{view.title}</h2>
          <Rows rows={view.keys} />
        </>
      )}
    </dialog>
  );
}

const Rows = ({ rows }: { rows: readonly (readonly [string, string])[] }) => (
  <dl>
    {rows.map(([keys, what]) => (
      <div key={keys}>
        <dt>
          {keys
            .split(" ")
            .map((key) => (key === "–" || key === "or" ? ` ${key} ` : <kbd key={key}>{key}</kbd>))}
        </dt>
        <dd>{what}</dd>
      </div>
    ))}
  </dl>
);
