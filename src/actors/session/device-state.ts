// The device's state, which a front-end takes along to another server, while requests are served as ever.
// vhost-user.rst "Migrating back-end state".

import { asRefusal } from "../../transport/os/errors.ts";
import { StateTransfer } from "../../transport/wire/vhost-user/protocol.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import { stateCheck } from "../../transport/wire/vhost-user/replies.ts";
import type { StateType } from "../device-type.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { StateLoading, StateSaving } from "./state-transfers.ts";

/** Sends the answer to a request. */
export type Reply = (payload: Uint8Array, fds: readonly number[]) => void;

/** Of SET_DEVICE_STATE_FD. */
interface Wanted {
  direction: number;
  phase: number;
  fd: number;
}

export class DeviceState {
  /** What is under way. */
  private transfer: StateSaving | StateLoading | null = null;
  /** Whether the last one went well. */
  private isWhole = false;
  /** Who waits to be told that. */
  private checking: Reply | null = null;

  constructor(
    private readonly context: ActorContext,
    /** Null where it has none, and none is asked for. */
    private readonly type: StateType | null,
  ) {}

  /** Throws a {@link ProtocolError} where the front-end has yet to be answered whether a transfer went well. */
  mayBeAsked(): void {
    if (this.checking !== null)
      throw new ProtocolError("a request came before the answer to CHECK_DEVICE_STATE");
  }

  /** Begins a transfer, by a descriptor that it takes over. Returns whether it did. */
  begin(wanted: Wanted, isSuspended: boolean): boolean {
    const { direction, phase, fd } = wanted;
    let refusal = "";
    if (this.transfer !== null) refusal = "another transfer is under way";
    else if (!isSuspended) refusal = "its rings have to be stopped";
    else if (phase !== StateTransfer.stopped) refusal = `phase ${phase} of a migration is not known`;
    else if (direction === StateTransfer.save) this.save(fd);
    else if (direction === StateTransfer.load) refusal = this.load(fd);
    else refusal = `direction ${direction} is not known`;
    if (refusal !== "") this.say(`is not taken along: ${refusal}`);
    return refusal === "";
  }

  /** The payload that tells whether the last transfer went well, or null where `later` is called with it. */
  check(later: Reply): Uint8Array | null {
    if (this.transfer === null) return stateCheck(this.isWhole);
    this.checking = later;
    return null;
  }

  /** A driver goes on. What is not through is of no use any more. */
  ringStarts(): void {
    const { transfer } = this;
    const isCarrying = transfer instanceof StateLoading ? transfer.isReading : transfer !== null;
    const what = transfer instanceof StateLoading ? "loaded" : "saved";
    if (isCarrying) this.ended(what, "the device was started meanwhile");
  }

  /** The front-end has gone. */
  close(): void {
    this.checking = null;
    this.transfer?.close();
    this.transfer = null;
  }

  private save(fd: number): void {
    const saving = new StateSaving(this.context, this.type!, fd, (failure) => this.ended("saved", failure));
    this.transfer = saving;
    saving.start();
  }

  /** Returns why there is no reading from it, or "". */
  private load(fd: number): string {
    try {
      this.transfer = new StateLoading(this.context, this.type!, fd, (failure) =>
        this.ended("loaded", failure),
      );
    } catch (error) {
      return asRefusal(error).message;
    }
    return "";
  }

  private ended(what: "saved" | "loaded", failure: string): void {
    this.transfer?.close();
    this.transfer = null;
    this.isWhole = failure === "";
    if (this.isWhole) this.context.log.limited("info", () => `the device's state was ${what}`);
    else this.say(`was not ${what}: ${failure}`);
    this.answer();
  }

  private answer(): void {
    const { checking } = this;
    this.checking = null;
    try {
      checking?.(stateCheck(this.isWhole), []);
    } catch (error) {
      // It has gone, which its socket says next.
      asRefusal(error);
    }
  }

  private say(what: string): void {
    this.context.log.limited("warning", () => `the device's state ${what}`);
  }
}
