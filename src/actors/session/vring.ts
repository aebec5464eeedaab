// One vring as the front-end sets it up, until it is whole and can be started in its queue's actor.

import { closeFd } from "../../transport/os/fds.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import type { VringAddresses } from "../../transport/wire/vhost-user/requests.ts";
import type { LifecycleTables } from "../machines/index.ts";
import { Entity, type Lifecycle } from "../machines/lifecycle.ts";

type VringEvent = LifecycleTables["vring"]["events"][number];

const nowhere: VringAddresses = { logsUsed: false, desc: 0, avail: 0, used: 0, log: 0 };

export class Vring extends Entity {
  override readonly id: number;
  private readonly started: Uint8Array;
  private readonly brokenStates: Uint8Array;
  private readonly enabled: Uint8Array;

  num = 0;
  base = 0;
  addresses = nowhere;
  kickFd = -1;
  callFd = -1;
  errFd = -1;

  constructor(
    readonly index: number,
    private readonly lifecycle: Lifecycle<VringEvent>,
    private readonly sizeMax: number,
  ) {
    super();
    this.id = index;
    this.started = lifecycle.statesWith("started");
    this.brokenStates = lifecycle.statesWith("broken");
    this.enabled = lifecycle.statesWith("enabled");
  }

  /** Whether its queue's actor has it, be it broken. */
  get isStarted(): boolean {
    return this.lifecycle.isIn(this, this.started) || this.isBroken;
  }

  get isBroken(): boolean {
    return this.lifecycle.isIn(this, this.brokenStates);
  }

  get isEnabled(): boolean {
    return this.lifecycle.isIn(this, this.enabled);
  }

  /** For people. */
  get stateName(): string {
    return this.lifecycle.nameOf(this);
  }

  /** Takes the event, or throws when the ring's state does not allow it. */
  take(event: VringEvent): void {
    const { lifecycle } = this;
    const number = lifecycle.event(event);
    if (lifecycle.may(this, number) !== 0) {
      throw new ProtocolError(`${event} is not allowed while vring ${this.index} is ${this.stateName}`);
    }
    lifecycle.take(this, number);
  }

  /** Its actor says that it makes no sense, which is of no account where it is being stopped. */
  broken(): void {
    const { lifecycle } = this;
    const fault = lifecycle.event("FAULT");
    if (lifecycle.can(this, fault)) lifecycle.take(this, fault);
  }

  setNum(num: number): void {
    if (num === 0 || num > this.sizeMax || (num & (num - 1)) !== 0) {
      throw new ProtocolError(
        `vring ${this.index} cannot have ${num} entries: want a power of two up to ${this.sizeMax}, which is --queue-size-max`,
      );
    }
    this.take("SET_NUM");
    if (this.isStarted && num !== this.num)
      throw new ProtocolError(`vring ${this.index} cannot have another size while it runs`);
    this.num = num;
  }

  setBase(base: number): void {
    if (base > 0xffff) throw new ProtocolError(`vring ${this.index} cannot start at index ${base}`);
    this.take("SET_BASE");
    this.base = base;
  }

  /** Sets where the parts lie. A running ring may only change what is logged. */
  setAddresses(addresses: VringAddresses): void {
    if (this.isStarted && this.isMovedBy(addresses))
      throw new ProtocolError(`vring ${this.index} cannot be moved while it runs`);
    this.take("SET_ADDR");
    this.addresses = addresses;
  }

  /** Whether its parts lie elsewhere with `addresses`. */
  isMovedBy({ desc, avail, used }: VringAddresses): boolean {
    const now = this.addresses;
    return now.desc !== desc || now.avail !== avail || now.used !== used;
  }

  /** Where writes to the used ring are logged, or -1. */
  get usedLog(): number {
    return this.addresses.logsUsed ? this.addresses.log : -1;
  }

  replaceFd(which: "kickFd" | "callFd" | "errFd", fd: number): void {
    closeFd(this[which]);
    this[which] = fd;
  }

  /** The session is over. */
  close(): void {
    this.reset();
    this.replaceFd("errFd", -1);
  }

  /** Back to a ring that nothing is known of, but for its err descriptor: quirks.qemuGivesErrOnce. */
  reset(): void {
    this.take("RESET");
    this.replaceFd("kickFd", -1);
    this.replaceFd("callFd", -1);
    this.num = 0;
    this.base = 0;
    this.addresses = nowhere;
  }
}
