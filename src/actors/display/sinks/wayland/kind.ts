// A Wayland compositor's windows as a kind of sink: --wayland asks for them. What they need is loaded only then.

import type { SinkKind } from "../sink.ts";

export const waylandKind: SinkKind = {
  name: "wayland",
  keepWords: 0,
  lendsMemory: true,
  isWanted: ({ wayland }) => wayland !== undefined,
  load: async () => (await import("./wayland-opener.ts")).WaylandOpener,
};
