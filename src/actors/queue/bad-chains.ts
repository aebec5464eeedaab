// What chains earn that hold no command: each is counted, logged, and answered as its device type says.

import { type Chain, chainFaultText } from "../../transport/virtio/chain.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { CommandForm } from "./command-form.ts";
import { QueueCounter } from "./counters.ts";
import type { Request } from "./request.ts";

export class BadChains {
  constructor(
    private readonly context: ActorContext,
    private readonly form: CommandForm,
    private readonly current: Chain,
    private readonly request: Request,
  ) {}

  /** Returns what a chain is answered with that makes no sense. */
  chain(): number {
    const { current, context } = this;
    context.counters[QueueCounter.malformedChains]!++;
    context.log.guest(() => `descriptor chain ${current.head} ${chainFaultText[current.fault]}`);
    this.forgetHeader();
    return this.form.malformed;
  }

  /** The same of one that is shorter than a header, or longer than there is memory for. */
  length(): number {
    const { current, form, request } = this;
    if (request.length < form.headerBytes) {
      this.forgetHeader();
      return form.malformed;
    }
    const { log, config } = this.context;
    const { readableBytes } = current;
    if (readableBytes > config.commandBytesMax)
      log.beyond("commandBytesMax", config.commandBytesMax, `a command of ${readableBytes} bytes is refused`);
    else log.guest(() => `command of ${readableBytes} bytes is longer than any of this ring`);
    return form.tooLong;
  }

  /** No answer echoes an earlier command. */
  private forgetHeader(): void {
    this.request.words.fill(0, 0, this.form.headerBytes / 4);
  }
}
