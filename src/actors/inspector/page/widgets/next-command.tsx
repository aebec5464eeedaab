// The command that is about to run: every field of it, and what it will touch.

import type { CommandRecord, Touch } from "../../feed.ts";
import { CommandFields } from "./command-details.tsx";

interface NextCommandProps {
  command: CommandRecord;
  touches: readonly Touch[];
}

export const NextCommand = ({ command, touches }: NextCommandProps) => (
  <div class="next">
    <section aria-label="Runs next">
      <h2>Runs next</h2>
      <p class="name">
        <b>{command.type}</b> <span class="mono dim">{command.id}</span>{" "}
        {command.flags.map((flag) => (
          <span key={flag} class="tag">
            {flag}
          </span>
        ))}
        <span class="dim">{`${command.bytes} bytes`}</span>
      </p>
      <CommandFields command={command} />
    </section>
    <section aria-label="What it will touch">
      <h2>What it will touch</h2>
      {touches.length === 0 ? <p class="dim">Nothing that the guest has made.</p> : <Touches all={touches} />}
    </section>
  </div>
);

const Touches = ({ all }: { all: readonly Touch[] }) => (
  <table class="figures touches">
    <tbody>
      {all.map(({ kind, id, how, state, what }) => (
        <tr key={`${kind} ${id} ${how}`}>
          <td>
            <a href={placeOf(kind, id)}>{`${kind} ${id}`}</a>
          </td>
          <td>
            <span class={state === "absent" ? "tag warn" : "tag"}>{state}</span>
          </td>
          <td>{what}</td>
          <td>{how}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

/** Where the page shows it. */
function placeOf(kind: Touch["kind"], id: number): string {
  switch (kind) {
    case "resource":
      return `#resources?res=${id}`;
    case "scanout":
      return "#screen";
    case "context":
      return `#commands?filter=ctx:${id}`;
  }
}
