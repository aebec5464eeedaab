// The life of one 3D context id, and of one resource's attachment to it (virtio 1.3 §5.7.6.9).
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type ContextEvent = {
  type:
    | "CTX_CREATE"
    | "CTX_DESTROY"
    | "CTX_ATTACH"
    | "CTX_DETACH"
    | "SUBMIT_3D"
    | "TRANSFER_TO_HOST_3D"
    | "TRANSFER_FROM_HOST_3D"
    | "CREATE_BLOB"
    | "FENCE"
    | "FAULT";
};

export const contextMachine = setup({
  types: { events: {} as ContextEvent, meta: {} as RefusalMeta<ContextEvent["type"]> },
}).createMachine({
  id: "context",
  description:
    "One 3D context id. The renderer reports FAULT when a command stream has broken the context: from then on it " +
    "takes no work, but its resources can be detached and it can be destroyed. A FENCE is still granted, so that a " +
    "guest never waits for ever. Context 0 is the device's own and has no machine.",
  initial: "absent",
  states: {
    absent: { meta: { refuse: { default: "ERR_INVALID_CONTEXT_ID" } }, on: { CTX_CREATE: "created" } },
    created: {
      meta: { refuse: { default: "ERR_INVALID_CONTEXT_ID" } },
      on: {
        CTX_DESTROY: "absent",
        CTX_ATTACH: {},
        CTX_DETACH: {},
        SUBMIT_3D: {},
        TRANSFER_TO_HOST_3D: {},
        TRANSFER_FROM_HOST_3D: {},
        CREATE_BLOB: {},
        FENCE: {},
        FAULT: "lost",
      },
    },
    lost: {
      meta: { refuse: { default: "ERR_UNSPEC", CTX_CREATE: "ERR_INVALID_CONTEXT_ID" } },
      on: { CTX_DESTROY: "absent", CTX_ATTACH: {}, CTX_DETACH: {}, FENCE: {}, FAULT: {} },
    },
  },
});

export type AttachmentEvent = { type: "CTX_ATTACH" | "CTX_DETACH" };

export const attachmentMachine = setup({
  types: { events: {} as AttachmentEvent, meta: {} as RefusalMeta<AttachmentEvent["type"]> },
}).createMachine({
  id: "attachment",
  description:
    "One pair of context and resource. A guest that opens a resource through two handles attaches it twice, which " +
    "is no mistake. Destroying the context or unreferencing the resource ends the pair.",
  initial: "detached",
  states: {
    detached: { meta: { refuse: { default: "ERR_INVALID_RESOURCE_ID" } }, on: { CTX_ATTACH: "attached" } },
    attached: { on: { CTX_ATTACH: {}, CTX_DETACH: "detached" } },
  },
});
