// What the vhost session counts.

export const sessionCounters = ["sessions", "requests", "violations"] as const;

export const SessionCounter = { sessions: 0, requests: 1, violations: 2 } as const;
