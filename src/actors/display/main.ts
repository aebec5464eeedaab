// The display worker.

import { runActor } from "../runtime/actor.ts";
import { Display } from "./display.ts";

await runActor("display", async (context) => {
  // What windows need is loaded where somebody wants them.
  const wanted = context.config.wayland !== undefined;
  const windows = wanted ? (await import("./sinks/wayland/wayland-sink.ts")).WaylandSink : null;
  return new Display(context, windows);
});
