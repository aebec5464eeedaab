// What `ctl` shows of a running device: the inspector's views as tables or as JSON lines, and the log of commands.

import type {
  ActorRecord,
  Batch,
  CommandRecord,
  ContextRecord,
  FenceRecord,
  ResourceRecord,
} from "../actors/inspector/feed.ts";
import { jsonLine } from "../actors/inspector/page/command-text.ts";
import { MonotonicClock } from "../transport/os/monotonic-clock.ts";
import { ServerGone } from "./control-client.ts";
import { InspectorClient } from "./inspector-client.ts";
import { Output } from "./output.ts";
import { plainJson } from "./plain-json.ts";
import { onStopSignals } from "../transport/os/stop-signals.ts";
import { actorsTable, commandLine, contextsTable, fencesTable, resourcesTable } from "./tables.ts";

export type View = "actors" | "resources" | "contexts" | "fences" | "log";

export interface Look {
  view: View;
  json: boolean;
  /** Of the log: whether it goes on, what is in it, how many of what has been. */
  follow: boolean;
  filter: string;
  limit: number;
}

/** Rates of actors are taken over so long. */
const rateMs = 300;
/** An inspector that has crashed is back within this, or never. */
const backMs = 5_000;
const retryMs = 50;
const tellMs = 1_000;

/** Shows it until there is no more, or nobody reads on. Throws where the server or its inspector is not there. */
export async function look(controlPath: string, wanted: Look): Promise<void> {
  const client = await InspectorClient.find(controlPath);
  const clock = new MonotonicClock();
  const output = new Output();
  try {
    if (wanted.follow) await follow(controlPath, client, wanted, clock, output);
    else output.write(await shown(client, wanted, clock));
  } finally {
    await output.end();
    clock.close();
  }
}

async function shown(client: InspectorClient, wanted: Look, clock: MonotonicClock): Promise<string[]> {
  const { view, json, filter, limit } = wanted;
  const told = <T>(records: T[], table: (records: T[]) => string): string[] =>
    json ? records.map((record) => plainJson(JSON.stringify(record))) : [table(records)];
  switch (view) {
    case "actors": {
      const before = await client.get<ActorRecord[]>("/api/actors");
      const start = performance.now();
      await Bun.sleep(rateMs);
      const actors = await client.get<ActorRecord[]>("/api/actors");
      return told(actors, (all) => actorsTable(before, all, performance.now() - start));
    }
    case "resources":
      return told(await client.get<ResourceRecord[]>("/api/resources"), (all) =>
        resourcesTable(all, clock.now()),
      );
    case "contexts":
      return told(await client.get<ContextRecord[]>("/api/contexts"), contextsTable);
    case "fences":
      return told(await client.get<FenceRecord[]>("/api/fences"), fencesTable);
    case "log": {
      const query = new URLSearchParams({ filter, limit: String(limit) });
      const commands = await client.get<CommandRecord[]>(`/api/commands?${query}`);
      const epochMs = Date.now() - clock.now() / 1e6;
      return json ? told(commands, () => "") : commands.map((command) => commandLine(command, epochMs));
    }
  }
}

/** Writes commands as they end, until a signal, the server's end, or that of whoever reads. */
async function follow(
  controlPath: string,
  first: InspectorClient,
  { json, filter }: Look,
  clock: MonotonicClock,
  output: Output,
): Promise<void> {
  const end = new AbortController();
  const stop = (): void => end.abort();
  onStopSignals(stop, () => process.exit(1));
  output.onClosed(stop);
  const epochMs = Date.now() - clock.now() / 1e6;
  const lineOf = (command: CommandRecord): string =>
    json ? plainJson(jsonLine(command)) : commandLine(command, epochMs);
  for (let client: InspectorClient | null = first; client !== null;) {
    const losses = new Losses();
    const take = (batch: Batch): void => {
      output.write((batch.commands ?? []).map(lineOf));
      losses.add(batch, output.takeDropped());
    };
    const telling = setInterval(() => losses.tell(), tellMs);
    await client
      .follow([{ type: "subscribe", topic: "commands", filter }], take, end.signal)
      .finally(() => clearInterval(telling));
    losses.tell();
    if (end.signal.aborted) return;
    client = await successor(controlPath);
    say(
      client === null ? "the server has ended" : "the inspector was started anew: commands are missing here",
    );
  }
}

/** What did not come of one feed. */
class Losses {
  private before = -1;
  private untold = 0;

  /** Adds what a batch leaves out, what was lost since the one before, and lines that nobody has read. */
  add({ commandsFolded = 0, droppedBatches, droppedRecords }: Batch, lines: number): void {
    const all = droppedBatches + droppedRecords;
    if (this.before >= 0) this.untold += all - this.before;
    this.before = all;
    this.untold += commandsFolded + lines;
  }

  tell(): void {
    if (this.untold === 0) return;
    say(`${this.untold} commands or more are missing here: the device is faster than this`);
    this.untold = 0;
  }
}

/** The inspector that follows one that has gone; null where its server has gone as well. */
async function successor(controlPath: string): Promise<InspectorClient | null> {
  for (const end = performance.now() + backMs; ;) {
    try {
      const client = await InspectorClient.find(controlPath);
      // The supervisor may not have heard of the crash yet.
      await client.get("/api/latency");
      return client;
    } catch (error) {
      // One that starts is refused for a while.
      if (error instanceof ServerGone) return null;
      if (performance.now() > end) throw error;
      await Bun.sleep(retryMs);
    }
  }
}

/** Beside the lines, which a program may read. */
const say = (text: string): void => console.error(`ctl: ${text}`);
