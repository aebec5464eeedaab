// The type of every actor's mailbox. Importing this costs nothing at run time; the schemas are in schemas.ts.

import type { CtrlQueueMessage } from "./ctrl-queue.ts";
import type { CursorQueueMessage } from "./cursor-queue.ts";
import type { DisplayMessage } from "./display.ts";
import type { FencePollerMessage } from "./fence-poller.ts";
import type { ResourceBridgeMessage } from "./resource-bridge.ts";
import type { SupervisorMessage } from "./supervisor.ts";
import type { VhostSessionMessage } from "./vhost-session.ts";

export interface Inbox {
  "ctrl-queue": CtrlQueueMessage;
  "cursor-queue": CursorQueueMessage;
  display: DisplayMessage;
  "fence-poller": FencePollerMessage;
  "resource-bridge": ResourceBridgeMessage;
  supervisor: SupervisorMessage;
  "vhost-session": VhostSessionMessage;
}
