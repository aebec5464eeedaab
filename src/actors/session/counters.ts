// What the vhost session counts.

import { indexesOf } from "../runtime/counter-index.ts";

export const sessionCounters = ["sessions", "requests", "violations", "guestBytes"] as const;

export const SessionCounter = indexesOf(sessionCounters);
