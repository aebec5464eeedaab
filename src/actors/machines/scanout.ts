// The life of one scanout: which commands may name it and where its picture comes from (virtio 1.3 §5.7.6.8).
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type ScanoutEvent = {
  type:
    | "PLUG"
    | "UNPLUG"
    | "SHOW_CPU"
    | "SHOW_GPU"
    | "SHOW_BLOB"
    | "PROMOTE"
    | "DISABLE"
    | "GET_EDID"
    | "RELEASE"
    | "UPDATE_CURSOR"
    | "MOVE_CURSOR";
};

export const scanoutMachine = setup({
  types: { events: {} as ScanoutEvent, meta: {} as RefusalMeta<ScanoutEvent["type"]> },
}).createMachine({
  id: "scanout",
  description:
    "One of the device's 16 possible scanouts. Those of `--scanouts` are plugged at start, the others once the VMM " +
    "shows the picture, and until its session ends. SET_SCANOUT is SHOW_CPU, SHOW_GPU or, with resource 0, DISABLE, as is SET_SCANOUT_BLOB, which is SHOW_BLOB else. " +
    "PROMOTE follows a shown 2D resource into the renderer, RELEASE its UNREF, or the loss of a blob's pages.",
  initial: "absent",
  states: {
    absent: { meta: { refuse: { default: "ERR_INVALID_SCANOUT_ID" } }, on: { PLUG: "plugged" } },
    plugged: {
      meta: { refuse: { default: "ERR_INVALID_PARAMETER" } },
      initial: "disabled",
      on: {
        SHOW_CPU: ".cpu",
        SHOW_GPU: ".gpu",
        SHOW_BLOB: ".blob",
        DISABLE: ".disabled",
        UNPLUG: "absent",
        GET_EDID: {},
        // A guest may load a cursor before its screen is on, and may leave one on a dark screen.
        UPDATE_CURSOR: {},
        MOVE_CURSOR: {},
      },
      states: {
        disabled: {},
        cpu: { on: { PROMOTE: "gpu", RELEASE: "disabled" } },
        gpu: { on: { RELEASE: "disabled" } },
        blob: { on: { RELEASE: "disabled" } },
      },
    },
  },
});
