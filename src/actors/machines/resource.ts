// The life of one resource id: which commands may name it, by kind and backing (virtio 1.3 §5.7.6.8).
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type ResourceEvent = {
  type:
    | "CREATE_2D"
    | "CREATE_3D"
    | "CREATE_BLOB_GUEST"
    | "CREATE_BLOB_HOST"
    | "CREATE_BLOB_SHARED"
    | "UNREF"
    | "ATTACH_BACKING"
    | "DETACH_BACKING"
    | "TRANSFER_TO_HOST_2D"
    | "TRANSFER_TO_HOST_3D"
    | "TRANSFER_FROM_HOST_3D"
    | "SET_SCANOUT"
    | "SET_SCANOUT_BLOB"
    | "RESOURCE_FLUSH"
    | "UPDATE_CURSOR"
    | "CTX_ATTACH"
    | "CTX_DETACH"
    | "MAP_BLOB"
    | "UNMAP_BLOB"
    | "ASSIGN_UUID"
    | "EXPORT";
};

const idInUse = {
  CREATE_2D: "ERR_INVALID_RESOURCE_ID",
  CREATE_3D: "ERR_INVALID_RESOURCE_ID",
  CREATE_BLOB_GUEST: "ERR_INVALID_RESOURCE_ID",
  CREATE_BLOB_HOST: "ERR_INVALID_RESOURCE_ID",
  CREATE_BLOB_SHARED: "ERR_INVALID_RESOURCE_ID",
} as const;
// All that a kind of resource does not take is a command for another kind.
const wrongKind = { refuse: { default: "ERR_INVALID_PARAMETER" } } as const;

// The second attach of CVE-2017-5578 and CVE-2021-3544: it must not replace, and so leak, the first.
const secondAttach = { refuse: { ATTACH_BACKING: "ERR_UNSPEC" } } as const;
const noBacking = { DETACH_BACKING: "ERR_UNSPEC", TRANSFER_TO_HOST_2D: "ERR_UNSPEC" } as const;
const noBacking3d = {
  ...noBacking,
  TRANSFER_TO_HOST_3D: "ERR_UNSPEC",
  TRANSFER_FROM_HOST_3D: "ERR_UNSPEC",
} as const;
const noPages = {
  ...noBacking,
  SET_SCANOUT_BLOB: "ERR_UNSPEC",
  RESOURCE_FLUSH: "ERR_UNSPEC",
  UPDATE_CURSOR: "ERR_UNSPEC",
  EXPORT: "ERR_UNSPEC",
} as const;

const identity = { UNREF: "#resource.absent", ASSIGN_UUID: {} } as const;
// Host storage has its own pixels, so a picture may be shown, taken or exported with no backing attached.
const picture = { RESOURCE_FLUSH: {}, UPDATE_CURSOR: {}, EXPORT: {} } as const;
const inRenderer = { CTX_ATTACH: {}, CTX_DETACH: {} } as const;
const transfers3d = { TRANSFER_TO_HOST_2D: {}, TRANSFER_TO_HOST_3D: {}, TRANSFER_FROM_HOST_3D: {} } as const;

// A resource of the renderer's that takes transfers of either family: created in 3D, or moved there.
const rendered = {
  initial: "bare",
  meta: wrongKind,
  on: { ...identity, ...picture, ...inRenderer, SET_SCANOUT: {} },
  states: {
    bare: { meta: { refuse: noBacking3d }, on: { ATTACH_BACKING: "backed" } },
    backed: { meta: secondAttach, on: { ...transfers3d, DETACH_BACKING: "bare" } },
  },
} as const;

export const resourceMachine = setup({
  types: { events: {} as ResourceEvent, meta: {} as RefusalMeta<ResourceEvent["type"]> },
}).createMachine({
  id: "resource",
  description:
    "One resource id. A 2D resource lives in CPU storage (`cpu2d`) until a context attaches it; then it moves into " +
    "the renderer once and stays (`gpu2d`). Which contexts hold it is the attachment machine's business, which " +
    "scanouts show it the scanout machine's; neither keeps it from being unreferenced.",
  meta: { refuse: idInUse },
  initial: "absent",
  states: {
    absent: {
      meta: { refuse: { default: "ERR_INVALID_RESOURCE_ID" } },
      on: {
        CREATE_2D: "cpu2d",
        CREATE_3D: "gpu3d",
        CREATE_BLOB_GUEST: "blobGuest",
        CREATE_BLOB_HOST: "blobHost",
        CREATE_BLOB_SHARED: "blobShared",
      },
    },
    cpu2d: {
      initial: "bare",
      // No context can have attached what is still here.
      meta: { refuse: { ...wrongKind.refuse, CTX_DETACH: "ERR_INVALID_RESOURCE_ID" } },
      on: { ...identity, ...picture, SET_SCANOUT: {} },
      states: {
        bare: {
          meta: { refuse: noBacking },
          on: { ATTACH_BACKING: "backed", CTX_ATTACH: "#resource.gpu2d.bare" },
        },
        backed: {
          meta: secondAttach,
          on: { TRANSFER_TO_HOST_2D: {}, DETACH_BACKING: "bare", CTX_ATTACH: "#resource.gpu2d.backed" },
        },
      },
    },
    gpu2d: rendered,
    gpu3d: rendered,
    // BLOB_MEM_GUEST: its pages are its storage, given at creation; without them there is no picture.
    blobGuest: {
      initial: "backed",
      meta: wrongKind,
      on: { ...identity, ...inRenderer },
      states: {
        bare: { meta: { refuse: noPages }, on: { ATTACH_BACKING: "backed" } },
        // Linux sends TRANSFER_TO_HOST_2D for its blob framebuffers too; there is nothing to copy.
        backed: {
          meta: secondAttach,
          on: { ...picture, SET_SCANOUT_BLOB: {}, TRANSFER_TO_HOST_2D: {}, DETACH_BACKING: "bare" },
        },
      },
    },
    // BLOB_MEM_HOST3D: the renderer's memory, which the guest may map.
    blobHost: {
      initial: "unmapped",
      meta: wrongKind,
      on: { ...identity, ...picture, ...inRenderer, SET_SCANOUT_BLOB: {} },
      states: {
        unmapped: { meta: { refuse: { UNMAP_BLOB: "ERR_UNSPEC" } }, on: { MAP_BLOB: "mapped" } },
        mapped: { meta: { refuse: { MAP_BLOB: "ERR_UNSPEC" } }, on: { UNMAP_BLOB: "unmapped" } },
      },
    },
    // BLOB_MEM_HOST3D_GUEST: both, kept equal by transfers.
    blobShared: {
      type: "parallel",
      meta: wrongKind,
      on: { ...identity, ...picture, ...inRenderer, SET_SCANOUT_BLOB: {} },
      states: {
        backing: {
          initial: "backed",
          states: {
            bare: { meta: { refuse: noBacking3d }, on: { ATTACH_BACKING: "backed" } },
            backed: { meta: secondAttach, on: { ...transfers3d, DETACH_BACKING: "bare" } },
          },
        },
        mapping: {
          initial: "unmapped",
          states: {
            unmapped: { meta: { refuse: { UNMAP_BLOB: "ERR_UNSPEC" } }, on: { MAP_BLOB: "mapped" } },
            mapped: { meta: { refuse: { MAP_BLOB: "ERR_UNSPEC" } }, on: { UNMAP_BLOB: "unmapped" } },
          },
        },
      },
    },
  },
});
