// The guest's memory and the log of its dirty pages, as all queue actors have them.

import { closeFd } from "../../transport/os/fds.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import type { QueueActor } from "../device-type.ts";
import { withDuplicates } from "./duplicates.ts";
import { MemoryTable } from "./memory-table.ts";
import type { QueueLink } from "./queue-link.ts";

export class SharedMemory {
  /** Whoever changes it calls {@link share}. */
  readonly table = new MemoryTable();
  private readonly known: ReadonlyMap<QueueActor, Set<number>>;
  private log = { fd: -1, offset: 0, size: 0 };
  private isLogging = false;

  constructor(
    private readonly queues: QueueLink,
    private readonly actors: readonly QueueActor[],
  ) {
    this.known = new Map(actors.map((actor) => [actor, new Set()]));
  }

  /** Throws a {@link ProtocolError} for memory that cannot be mapped. */
  share(actors = this.actors, more: { ringFollows?: boolean } = {}): void {
    const messages = withDuplicates((duplicate) =>
      actors.map((actor) => {
        const regions = this.table.forActor(this.known.get(actor)!, duplicate);
        return [actor, { type: "map-memory" as const, regions, ...more }] as const;
      }),
    );
    const error = this.queues.askAll(messages);
    if (error !== "") throw new ProtocolError(`cannot map the guest's memory: ${error}`);
  }

  /** Tells an actor that knows nothing, and whether its ring is about to go on. */
  shareWithNew(actor: QueueActor, ringFollows: boolean): void {
    this.known.get(actor)!.clear();
    this.share([actor], { ringFollows });
    this.shareLog([actor]);
  }

  /** Takes over the log's `fd`. Throws a {@link ProtocolError} for one that cannot be mapped. */
  setLog(log: { fd: number; offset: number; size: number }): void {
    closeFd(this.log.fd);
    this.log = log;
    this.shareLog();
  }

  /** Whether pages are to be logged, once there is a log. */
  set logging(isLogging: boolean) {
    if (isLogging === this.isLogging) return;
    this.isLogging = isLogging;
    this.shareLog();
  }

  /** Takes everything from all actors. */
  close(): void {
    this.table.clear();
    this.share();
    if (this.log.fd < 0) return;
    closeFd(this.log.fd);
    this.log.fd = -1;
    this.shareLog();
  }

  private shareLog(actors = this.actors): void {
    const { fd, offset, size } = this.log;
    const messages = withDuplicates((duplicate) =>
      actors.map((actor) => {
        const message = { type: "log-pages" as const, fd: this.isLogging ? duplicate(fd) : -1, offset, size };
        return [actor, message] as const;
      }),
    );
    const error = this.queues.askAll(messages);
    if (error !== "") throw new ProtocolError(`cannot map the dirty log: ${error}`);
  }
}
