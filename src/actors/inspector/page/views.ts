// The views that there are, in the order of their keys: 1 is the first.

import type { ComponentType } from "preact";
import type { Topic } from "../feed.ts";
import { Actors, actorsKeys } from "./views/actors.tsx";
import { Break, breakKeys } from "./views/break.tsx";
import { CommandLog, commandLogKeys } from "./views/command-log.tsx";
import { Latency } from "./views/latency.tsx";
import { Machines, machinesKeys } from "./views/machines.tsx";
import { Resources, resourcesKeys } from "./views/resources.tsx";
import { Screen, screenKeys } from "./views/screen.tsx";
import { Timeline, timelineKeys } from "./views/timeline.tsx";

export interface View {
  /** As it stands in the URL, behind the "#". */
  readonly id: string;
  readonly title: string;
  /** What the feed is asked for while it is open. */
  readonly topics: readonly Topic[];
  readonly Component: ComponentType;
  /** Its own keys, for the list of them. */
  readonly keys?: readonly (readonly [keys: string, what: string])[];
}

export const views: readonly View[] = [
  { id: "actors", title: "Actors", topics: ["actors", "messages"], Component: Actors, keys: actorsKeys },
  {
    ...{ id: "timeline", title: "Timeline", topics: ["commands", "pictures"] },
    ...{ Component: Timeline, keys: timelineKeys },
  },
  {
    ...{ id: "resources", title: "Resources", topics: ["resources"] },
    ...{ Component: Resources, keys: resourcesKeys },
  },
  {
    ...{ id: "machines", title: "Machines", topics: ["transitions", "actors", "resources"] },
    ...{ Component: Machines, keys: machinesKeys },
  },
  { id: "commands", title: "Command log", topics: [], Component: CommandLog, keys: commandLogKeys },
  { id: "latency", title: "Latency", topics: ["latency", "load", "resources"], Component: Latency },
  {
    id: "screen",
    title: "Screen",
    topics: ["cursors", "screen", "pictures"],
    Component: Screen,
    keys: screenKeys,
  },
  { id: "break", title: "Break", topics: ["break"], Component: Break, keys: breakKeys },
];
