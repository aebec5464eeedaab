// The snapshot that the settings name: read once, given to each ctrl queue until a guest's driver is there.

import { readFileSync, statSync } from "node:fs";
import { Refusal } from "../../transport/os/errors.ts";
import { closeFd, duplicateFd } from "../../transport/os/fds.ts";
import { withFile } from "../../transport/os/files.ts";
import { memfdWith } from "../../transport/os/sent-bytes.ts";
import { snapshotBytesMax } from "../gpu/manifest.ts";
import type { ActorHost } from "../runtime/host.ts";
import type { LogSink } from "./log-sink.ts";

export class RestoreFile {
  private fd = -1;
  private bytes = 0;

  /** Throws a {@link Refusal} where it cannot be had. */
  read(path: string): void {
    const content = withFile(path, () => {
      const stat = statSync(path);
      if (!stat.isFile()) throw new Refusal(`${path} is no file`);
      if (stat.size > snapshotBytesMax) throw new Refusal(`${path} is too long for a snapshot`);
      return readFileSync(path);
    });
    if (content.length === 0 || content.length % 4 !== 0)
      throw new Refusal(`${path} is no snapshot, or cut off`);
    this.bytes = content.length;
    this.fd = memfdWith("fencepost-restore", this.bytes, (file) => new Uint8Array(file).set(content));
  }

  /** Gives it to a ctrl queue that has come up, and says that it waits there; `refused` is told what is wrong with it, if anything is. */
  offer(
    { asks }: Pick<ActorHost, "asks">,
    log: Pick<LogSink, "write">,
    refused: (reason: string) => void,
  ): void {
    if (this.fd < 0) return;
    const question = { type: "ask-restore", fd: duplicateFd(this.fd), bytes: this.bytes } as const;
    asks.ask("ctrl-queue", question, (answer) => {
      if (answer === null) return;
      if (answer.error !== "") return refused(`--restore: ${answer.error}`);
      log.write("info", "supervisor", "--restore: a snapshot waits for the guest that goes on with it");
    });
  }

  /** A guest's driver is there, which takes it up or does without. */
  drop(): void {
    closeFd(this.fd);
    this.fd = -1;
  }
}
