// What whoever runs the supervisor hears of the device.

import type { SupervisorMessage } from "./messages.ts";

export type SessionState = Extract<SupervisorMessage, { type: "session-changed" }>["state"];

export interface SupervisorEvents {
  /** The device is up: a front-end may connect, or has come connected. */
  up(state: "listening" | "connected"): void;
  /** Once it is up. */
  session(state: SessionState): void;
  /** It ends, and why. */
  stopping(reason: string): void;
}
