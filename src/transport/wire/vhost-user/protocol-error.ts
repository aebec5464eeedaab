// A front-end's mistake.

import { Refusal } from "../../os/errors.ts";

/** The front-end broke the protocol, which ends its session; the message is for the operator. */
export class ProtocolError extends Refusal {
  override name = "ProtocolError";
}
