// The life of one vring, as vhost-user tells it ("Ring states" and the SET_VRING_* requests of vhost-user.rst).
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type VringEvent = {
  type:
    | "SET_NUM"
    | "SET_ADDR"
    | "SET_BASE"
    | "SET_KICK"
    | "SET_CALL"
    | "SET_ERR"
    | "ENABLE"
    | "DISABLE"
    | "GET_BASE"
    | "DRAINED"
    | "DISCARD"
    | "FAULT"
    | "RESET";
};

/** Both orders are taken: NUM, BASE, ADDR, KICK (QEMU) and NUM, ADDR, BASE, KICK (crosvm). */
export const vringMachine = setup({
  types: { events: {} as VringEvent, meta: {} as RefusalMeta<VringEvent["type"]> },
}).createMachine({
  id: "vring",
  description:
    "One split ring. It starts when it is given a kick fd and commands are taken while it is started and enabled. " +
    "Without VHOST_USER_F_PROTOCOL_FEATURES the session sends ENABLE itself. GET_VRING_BASE stops it, and is " +
    "answered once everything in flight has been completed. A disabled ring has nothing in flight, and may be set up " +
    "anew: the session then sends DISCARD first, since libkrun resets a device by SET_VRING_ENABLE 0 alone.",
  type: "parallel",
  meta: { refuse: { default: "PROTOCOL" } },
  // Interrupt masking swaps the call fd at any time, also while a ring drains.
  on: { SET_CALL: {}, SET_ERR: {} },
  states: {
    ring: {
      initial: "empty",
      // The front-end is gone or has reset the device: what is in flight is dropped, not drained.
      on: { RESET: ".empty" },
      states: {
        // A ring that never started has a base too: quirks.qemuAsksIdleRings
        empty: { on: { SET_NUM: "sized", SET_ADDR: "placed", SET_BASE: {}, GET_BASE: {} } },
        sized: { on: { SET_NUM: {}, SET_ADDR: "configured", SET_BASE: {}, GET_BASE: {} } },
        placed: { on: { SET_NUM: "configured", SET_ADDR: {}, SET_BASE: {}, GET_BASE: {} } },
        configured: { on: { SET_NUM: {}, SET_ADDR: {}, SET_BASE: {}, GET_BASE: {}, SET_KICK: "started" } },
        // quirks.qemuLogsByAddresses; SET_NUM may repeat the number.
        started: {
          on: {
            SET_NUM: {},
            SET_ADDR: {},
            SET_KICK: {},
            GET_BASE: "draining",
            DISCARD: "configured",
            FAULT: "broken",
          },
        },
        draining: { on: { DRAINED: "configured" } },
        // The guest's ring makes no sense (indexes too far apart, a chain that loops): nothing more is read from it.
        broken: {
          on: {
            SET_NUM: {},
            SET_ADDR: {},
            // It goes on at the used index.
            SET_KICK: "started",
            GET_BASE: "draining",
            DISCARD: "configured",
            FAULT: {},
          },
        },
      },
    },
    service: {
      initial: "disabled",
      on: { RESET: ".disabled" },
      states: {
        disabled: { on: { ENABLE: "enabled", DISABLE: {} } },
        enabled: { on: { DISABLE: "disabled", ENABLE: {} } },
      },
    },
  },
});
