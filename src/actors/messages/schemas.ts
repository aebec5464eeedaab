// The schema of every actor's mailbox, loaded only where messages are checked on receipt (tests and dev mode).

import type { ZodType } from "zod";
import type { ActorName } from "../names.ts";
import { CtrlQueueMessage } from "./ctrl-queue.ts";
import { CursorQueueMessage } from "./cursor-queue.ts";
import { DisplayMessage } from "./display.ts";
import { FencePollerMessage } from "./fence-poller.ts";
import { ResourceBridgeMessage } from "./resource-bridge.ts";
import { SupervisorMessage } from "./supervisor.ts";
import { VhostSessionMessage } from "./vhost-session.ts";

export const schemas: Record<ActorName, ZodType> = {
  "ctrl-queue": CtrlQueueMessage,
  "cursor-queue": CursorQueueMessage,
  display: DisplayMessage,
  "fence-poller": FencePollerMessage,
  "resource-bridge": ResourceBridgeMessage,
  supervisor: SupervisorMessage,
  "vhost-session": VhostSessionMessage,
};
