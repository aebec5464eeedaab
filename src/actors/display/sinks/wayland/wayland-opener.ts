// Opens the sink of --wayland's compositor when the display starts; whether the compositor is there yet is its own matter.

import type { SinkHost, SinkOpener } from "../sink.ts";
import { WaylandSink } from "./wayland-sink.ts";

export class WaylandOpener implements SinkOpener {
  constructor(host: SinkHost) {
    const { context, io, scanouts } = host;
    const sink = new WaylandSink({
      context,
      io,
      path: context.config.wayland!,
      title: "Fencepost",
      scanouts,
      takesChanged: () => host.takesChanged(),
      periodChanged: () => host.periodChanged(),
      resized: (scanout, width, height) => host.resized(scanout, width, height),
      closed: (scanout) => host.closed(scanout),
    });
    host.attach(sink);
  }
}
