// The lives of all that a guest makes here, each with the one who may move it on.

import { Lifecycle } from "../../machines/lifecycle.ts";
import type { LifecycleTables } from "../../machines/index.ts";

export class Lifecycles {
  readonly resource;
  readonly attachment;
  readonly context;
  readonly scanout;
  readonly fence;

  constructor(tables: LifecycleTables) {
    this.resource = new Lifecycle(tables.resource);
    this.attachment = new Lifecycle(tables.attachment);
    this.context = new Lifecycle(tables.context);
    this.scanout = new Lifecycle(tables.scanout);
    this.fence = new Lifecycle(tables.fence);
  }
}
