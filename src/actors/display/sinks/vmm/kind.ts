// The VMM's display socket as a kind of sink: a message of the session brings it.

import { StreamWord } from "../../../../transport/wire/vhost-user-gpu/stream-words.ts";
import type { SinkKind } from "../sink.ts";

export const vmmKind: SinkKind = {
  name: "vmm",
  keepWords: StreamWord.count,
  lendsMemory: false,
  isWanted: () => true,
  load: async () => (await import("./vmm-opener.ts")).VmmOpener,
};
