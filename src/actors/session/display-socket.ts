// The front-end's display socket, where it shows the picture itself: kept for a display that is restarted.

import { closeFd, duplicateFd } from "../../transport/os/fds.ts";
import type { DeviceType, QueueActor } from "../device-type.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { QueueLink } from "./queue-link.ts";

/** Sockets that any front-end has brought. */
let given = 0;

export class DisplaySocket {
  private fd = -1;
  private number = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly queues: QueueLink,
    private readonly device: DeviceType,
  ) {}

  get isThere(): boolean {
    return this.fd >= 0;
  }

  /** Takes over `fd`, in the place of the one before. */
  take(fd: number): void {
    const isFirst = !this.isThere;
    closeFd(this.fd);
    this.fd = fd;
    this.number = ++given;
    if (isFirst) this.tell(this.device.queues, true);
    this.give();
  }

  /** Gives it to a display that was restarted. */
  giveAgain(): void {
    if (this.isThere) this.give();
  }

  /** Tells a queue that was restarted of it. */
  tellNew(actor: QueueActor): void {
    if (this.isThere) this.tell([actor], true);
  }

  /** The front-end has gone: nothing more is shown there. */
  forget(): void {
    this.context.send("display", { type: "vmm-socket-closed" });
  }

  close(): void {
    if (!this.isThere) return;
    closeFd(this.fd);
    this.fd = -1;
    this.tell(this.device.queues, false);
  }

  private tell(actors: readonly QueueActor[], isConnected: boolean): void {
    this.queues.askAll(actors.map((actor) => [actor, { type: "vmm-display-changed", isConnected }]));
  }

  private give(): void {
    this.queues.letCatchUp("display");
    this.context.send("display", { type: "take-vmm-socket", fd: duplicateFd(this.fd), socket: this.number });
  }
}
