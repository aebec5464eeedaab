// By which limit a renderer has refused something last: ENOMEM alone does not say that.

import type { LimitName } from "../../../config-limits.ts";
import { ENOMEM } from "../../../ffi/libc.ts";

export class Lack {
  private limit: LimitName | null = null;

  /** Returns ENOMEM. */
  of(limit: LimitName): number {
    this.limit = limit;
    return ENOMEM;
  }

  /** What the renderer has refused just now by a limit; null where it was something else. */
  take(): LimitName | null {
    const { limit } = this;
    this.limit = null;
    return limit;
  }
}
