// The snapshot that the settings name: read once, and put where the ctrl queue finds it, before there is one.

import { readFileSync, statSync } from "node:fs";
import { Refusal } from "../../transport/os/errors.ts";
import { withFile } from "../../transport/os/files.ts";
import { KeptWord, snapshotBytesMax, SnapshotStage } from "../gpu/manifest.ts";
import type { ActorHost } from "../runtime/host.ts";

/** Throws a {@link Refusal} where it cannot be had. */
export function keepRestoreFile(path: string, host: Pick<ActorHost, "files" | "keep">): void {
  const content = withFile(path, () => {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Refusal(`${path} is no file`);
    if (stat.size > snapshotBytesMax) throw new Refusal(`${path} is too long for a snapshot`);
    return readFileSync(path);
  });
  const { length } = content;
  if (length === 0 || length % 4 !== 0 || length > snapshotBytesMax)
    throw new Refusal(`${path} is no snapshot, or cut off`);
  const memory = host.files.area("snapshot");
  new Uint8Array(memory.view(0, length)).set(content);
  memory.unmap();
  const keep = host.keep("ctrl-queue");
  keep[KeptWord.snapshotWords] = length / 4;
  keep[KeptWord.snapshot] = SnapshotStage.ofSettings;
}
