// What the guest has made: a table that says which are leaks or too large, and each one's history.

import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import { useKeys } from "../keys.ts";
import {
  type Column,
  columns,
  narrowed,
  type Order,
  type Row,
  rowsOf,
  sorted,
  totals,
} from "../resources/table.ts";
import { colourIn, usePicture } from "../resources/picture.ts";
import { type Place, storyIn } from "../screen/pixel-story.ts";
import { inventory, newestNs, noteParameters, viewParameters } from "../store.ts";
import { FilterField } from "../widgets/filter-field.tsx";
import { LongList } from "../widgets/long-list.tsx";
import { PixelDetails } from "../widgets/pixel-details.tsx";
import { ResourceDetails } from "../widgets/resource-details.tsx";
import { FullView } from "../widgets/resource-picture.tsx";
import { bytes, count, duration } from "../words.ts";

export const resourcesKeys = [
  ["↑ ↓", "the resource before or after; Home and End the first and the last"],
  ["s", "sort by the next column"],
  ["r", "the other way round"],
  ["m", "only those that are marked"],
  ["v", "the chosen one's picture, or the table again"],
  ["Enter, ← ↑ → ↓", "in the picture: choose a pixel, the one beside it"],
] as const;

export function Resources() {
  const table = useTable();
  const { chosen, all, isFull, place, note } = table;
  const id = chosen.value;
  const row = all.value.find((one) => one.id === id);
  const picture = usePicture(id, row?.usedNs ?? 0).value;
  const choose = (next: Place): void => note({ pixel: next });
  return (
    <>
      {id !== 0 && isFull.value ? (
        <FullView
          {...{ id, row, picture, choose }}
          place={place.value}
          close={() => note({ isFull: false })}
        />
      ) : (
        <Table table={table} />
      )}
      {id !== 0 && isFull.value && place.value !== null ? (
        <PixelDetails
          title={`Pixel ${place.value.x}, ${place.value.y} of resource ${id}`}
          colour={() => (picture === null ? "" : colourIn(picture, place.peek()!))}
          of={`${id} ${place.value.x} ${place.value.y}`}
          story={() => storyIn(id, place.peek()!)}
          close={() => note({ pixel: null })}
        />
      ) : (
        id !== 0 && (
          <ResourceDetails
            {...{ id, row, picture }}
            look={() => note({ isFull: true })}
            close={() => note({ res: 0 })}
          />
        )
      )}
    </>
  );
}

function Table({ table }: { table: ReturnType<typeof useTable> }) {
  const { order, filter, chosen, all, rows, note, sort } = table;
  const list = rows.value;
  const row = list.find(({ id }) => id === chosen.value);
  return (
    <div class="column">
      <div class="tools">
        <FilterField
          value={filter.value}
          placeholder="res:7 ctx:3 scanout:0 b8g8r8x8 640x480 blob leak oversized marked"
          error=""
          change={(text) => note({ filter: text })}
        />
        <Totals rows={all} />
      </div>
      <Headings order={order.value} sort={sort} />
      {list.length === 0 ? (
        <p class="nothing">
          {all.value.length === 0 ? "The guest has made nothing yet" : "None that the filter holds for"}
        </p>
      ) : (
        <LongList
          first={0}
          end={list.length}
          grows={false}
          label="Resources"
          selected={row === undefined ? -1 : list.indexOf(row)}
          select={(number) => note({ res: list[number]!.id })}
          row={(number) => <Line row={list[number]!} />}
        />
      )}
    </div>
  );
}

/** What is shown and in which order; what is in the URL is there again after a reload. */
function useTable() {
  const order = useSignal<Order>({ column: "id", isDescending: false });
  const filter = useComputed(() => viewParameters.value.get("filter") ?? "");
  const chosen = useComputed(() => Number(viewParameters.value.get("res") ?? 0));
  const all = useComputed(() => rowsOf(inventory.value.resources, newestNs(), inventory.value.contexts));
  const rows = useComputed(() => sorted(narrowed(all.value, filter.value), order.value));
  const isFull = useComputed(() => viewParameters.value.get("full") === "1");
  const place = useComputed(() => placeIn(viewParameters.value.get("pixel") ?? ""));
  const note = (own: Partial<Noted>): void => {
    const now = { filter: filter.peek(), res: chosen.peek(), isFull: isFull.peek(), pixel: place.peek() };
    const { filter: text, res, isFull: full, pixel } = { ...now, ...own };
    noteParameters({
      ...(text === "" ? {} : { filter: text }),
      ...(res === 0 ? {} : { res: String(res) }),
      ...(res !== 0 && full ? { full: "1" } : {}),
      ...(res !== 0 && full && pixel !== null ? { pixel: `${pixel.x}.${pixel.y}` } : {}),
    });
  };
  const sort = (column: Column): void => {
    const { column: now, isDescending } = order.peek();
    order.value = { column, isDescending: column === now ? !isDescending : numbersFirst.has(column) };
  };
  useKeys((key) => {
    const { column } = order.peek();
    if (key === "s") sort(columns[(columns.indexOf(column) + 1) % columns.length]!);
    else if (key === "r") sort(column);
    else if (key === "m") note({ filter: filter.peek() === "marked" ? "" : "marked" });
    else if (key === "v" && chosen.peek() !== 0) note({ isFull: !isFull.peek() });
    else if (key === "Escape" && isFull.peek() && place.peek() !== null) note({ pixel: null });
    else if (key === "Escape" && isFull.peek()) note({ isFull: false });
    else if (key === "Escape" && chosen.peek() !== 0) note({ res: 0 });
    else return false;
    return true;
  });
  return { order, filter, chosen, all, rows, isFull, place, note, sort };
}

/** What of the view is in the URL. */
interface Noted {
  filter: string;
  res: number;
  isFull: boolean;
  pixel: Place | null;
}

function placeIn(text: string): Place | null {
  const [, x, y] = /^(\d{1,5})\.(\d{1,5})$/.exec(text) ?? [];
  return y === undefined ? null : { x: Number(x), y: Number(y) };
}

/** Of these, the largest are of interest. */
const numbersFirst: ReadonlySet<Column> = new Set<Column>([
  "size",
  "bytes",
  "backing",
  "age",
  "idle",
  "marks",
]);

function Totals({ rows }: { rows: ReadonlySignal<Row[]> }) {
  const { count: some, bytes: host, backingBytes, leaks, oversized } = totals(rows.value);
  return (
    <span class="dim count totals">
      {`${count(some)} resource${some === 1 ? "" : "s"}, ${bytes(host)} of the host, ${bytes(backingBytes)} of the guest`}
      {leaks > 0 && <span class="tag warn">{`${count(leaks)} leak${leaks === 1 ? "" : "s"}?`}</span>}
      {oversized > 0 && <span class="tag warn">{`${count(oversized)} oversized`}</span>}
    </span>
  );
}

const titles: Readonly<Record<Column, string>> = {
  ...{ id: "id", kind: "where", state: "state", format: "format", size: "size", bytes: "host" },
  ...{ backing: "backing", contexts: "contexts", scanouts: "scanouts", age: "age", idle: "last use" },
  marks: "look at",
};

const Headings = ({ order, sort }: { order: Order; sort(column: Column): void }) => (
  <div class="row heading resource" role="row">
    {columns.map((column) => {
      const isOwn = order.column === column;
      const sorting = isOwn ? (order.isDescending ? "descending" : "ascending") : "none";
      return (
        <span key={column} role="columnheader" aria-sort={sorting} class={`r-${column}`}>
          <button type="button" class="plain" onClick={() => sort(column)}>
            {titles[column]}
            {isOwn && (order.isDescending ? " ↓" : " ↑")}
          </button>
        </span>
      );
    })}
  </div>
);

function Line({ row }: { row: Row }) {
  const {
    id,
    kind,
    state,
    format,
    width,
    height,
    backingBytes,
    backingRuns,
    holders,
    scanouts,
    marks,
    usedType,
  } = row;
  const cells: Record<Column, string> = {
    ...{ id: String(id), kind, state: state.split(".").slice(1).join(".") || state, format },
    ...{ size: width === 0 ? "" : `${width}×${height}`, bytes: bytes(row.bytes) },
    backing: backingBytes === 0 ? "none" : `${bytes(backingBytes)} in ${count(backingRuns)}`,
    ...{ contexts: holders, scanouts: scanouts.join(", ") },
    age: row.age < 0 ? "" : duration(row.age),
    idle: `${duration(row.idle)} ago${usedType === "" ? "" : `: ${usedType.toLowerCase()}`}`,
    marks: marks.map(({ what }) => what).join(", "),
  };
  return (
    <span
      class={`line resource ${marks.length > 0 ? "marked" : ""}`}
      title={marks.map(({ why }) => why).join("; ")}
    >
      {columns.map((column) => (
        <span key={column} class={`r-${column}`}>
          {cells[column]}
        </span>
      ))}
    </span>
  );
}
