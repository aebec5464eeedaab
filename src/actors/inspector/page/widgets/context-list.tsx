// The contexts that there are now, by what their process is called, with their resources and a way to all they did.

import type { ContextRecord } from "../../feed.ts";
import { nameText } from "../command-text.ts";
import { count } from "../words.ts";

/** A guest may have thousands. */
const listedMax = 100;

export function ContextList({ contexts }: { contexts: readonly ContextRecord[] }) {
  const more = contexts.length - listedMax;
  return (
    <section aria-label="There now">
      <h2>There now</h2>
      {contexts.length === 0 && <p class="dim">None is.</p>}
      <table class="counts">
        <tbody>
          {contexts.slice(0, listedMax).map(({ id, name, state, resources, process }) => (
            <tr key={id}>
              <td class="mono">
                <a href={`#commands?${new URLSearchParams({ filter: `ctx:${id}` })}`}>{nameText(id, name)}</a>
                <br />
                <span class="dim">{process > 0 ? `${state}, process ${process}` : state}</span>
              </td>
              <td class="dim">{`${count(resources)} resource${resources === 1 ? "" : "s"}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p class="dim">{`and ${count(more)} more`}</p>}
    </section>
  );
}
