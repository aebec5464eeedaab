// An actor's process that never comes up.

await new Promise<never>(() => setInterval(() => undefined, 60_000));
