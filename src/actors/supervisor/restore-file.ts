// The snapshot that the settings name: read once, and put where the ctrl queue finds it, before there is one.

import { readFileSync, statSync } from "node:fs";
import { Refusal } from "../../transport/os/errors.ts";
import { withFile } from "../../transport/os/files.ts";
import { KeptWord, snapshotBytesMax, SnapshotStage } from "../gpu/manifest.ts";
import type { ActorHost } from "../runtime/host.ts";
import { slotOf } from "../runtime/shared-words.ts";

/** Throws a {@link Refusal} where it cannot be had. */
export function keepRestoreFile(path: string, host: Pick<ActorHost, "commons">): void {
  const content = withFile(path, () => {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Refusal(`${path} is no file`);
    if (stat.size > snapshotBytesMax) throw new Refusal(`${path} is too long for a snapshot`);
    return readFileSync(path);
  });
  const { length } = content;
  if (length === 0 || length % 4 !== 0 || length > snapshotBytesMax)
    throw new Refusal(`${path} is no snapshot, or cut off`);
  new Uint8Array(host.commons.area("snapshot").view(0, length)).set(content);
  const keep = host.commons.words.keep(slotOf("ctrl-queue"));
  keep[KeptWord.snapshotWords] = length / 4;
  keep[KeptWord.snapshot] = SnapshotStage.ofSettings;
}
