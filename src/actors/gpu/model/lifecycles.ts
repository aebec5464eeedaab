// The lives of all that a guest makes here, each with the one who may move it on.

import { Lifecycle } from "../../machines/lifecycle.ts";
import type { LifecycleTables } from "../../machines/index.ts";
import type { Tap } from "../../runtime/tap/tap.ts";

export class Lifecycles {
  readonly resource;
  readonly attachment;
  readonly context;
  readonly scanout;
  readonly fence;

  constructor(
    tables: LifecycleTables,
    readonly tap: Tap | null = null,
  ) {
    this.resource = new Lifecycle(tables.resource, tap);
    this.attachment = new Lifecycle(tables.attachment, tap);
    this.context = new Lifecycle(tables.context, tap);
    this.scanout = new Lifecycle(tables.scanout, tap);
    this.fence = new Lifecycle(tables.fence, tap);
  }
}
