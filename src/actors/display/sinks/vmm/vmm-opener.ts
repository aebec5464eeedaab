// Opens a sink for each display socket that the VMM brings, one at a time, and for the one that a display was using that
// has crashed.

import { SystemError } from "../../../../transport/os/errors.ts";
import { closeFd } from "../../../../transport/os/fds.ts";
import { StreamWord } from "../../../../transport/wire/vhost-user-gpu/stream-words.ts";
import { RESTARTS_MAX } from "../../../machines/restarts.ts";
import type { SinkHost, SinkMessage, SinkOpener } from "../sink.ts";
import { VmmSink } from "./vmm-sink.ts";

/** So many displays may go on with one socket, one less than may be restarted at all: the last one lives without it. */
const takeoversMax = RESTARTS_MAX - 1;
/** How long a display must live for the crashes before it to be forgiven. */
const settledMs = 10_000;

export class VmmOpener implements SinkOpener {
  private current: VmmSink | null = null;

  constructor(private readonly host: SinkHost) {}

  receive(message: SinkMessage): void {
    this.hangUp();
    if (message.type === "vmm-socket-closed") return;
    const { fd, socket } = message;
    const { words } = this.host;
    // One that came while there was no display, or was on its way to one that has crashed, was used by nobody.
    const resumed = words[StreamWord.socket] === socket;
    if (resumed && !this.mayTakeOver()) return closeFd(fd);
    if (!resumed) words.fill(0, 0, StreamWord.count);
    words[StreamWord.socket] = socket;
    this.open(fd);
  }

  private open(socket: number): void {
    const { host } = this;
    try {
      const sink = new VmmSink({
        ...host,
        socket,
        negotiated: () => host.takesChanged(),
        periodChanged: () => host.periodChanged(),
        died: () => {
          this.current = null;
          host.detach(sink);
          host.takesChanged();
        },
      });
      this.current = sink;
      host.attach(sink);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      closeFd(socket);
      host.words[StreamWord.broken] = 1;
      host.context.log.guest(() => `giving up the VMM's display: ${error.message}`);
    }
  }

  private hangUp(): void {
    const { current, host } = this;
    if (current === null) return;
    this.current = null;
    current.hangUp();
    host.detach(current);
    host.context.tidy();
  }

  /**
   * Whether the socket that a crashed display was using is to be used again: not where it broke, nor for ever. What came
   * from it may be what each of them dies of, and the guest must not lose its device for it.
   */
  private mayTakeOver(): boolean {
    const { words, context } = this.host;
    if (words[StreamWord.broken] === 1) return false;
    words[StreamWord.takeovers]!++;
    if (words[StreamWord.takeovers]! > takeoversMax) {
      words[StreamWord.broken] = 1;
      const count = takeoversMax + 1;
      context.log.error(`giving up the VMM's display: ${count} display actors in a row have crashed with it`);
      return false;
    }
    context.timers.after(settledMs, () => (words[StreamWord.takeovers] = 0));
    return true;
  }
}
