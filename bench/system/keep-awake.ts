// Keeps one processor from going to sleep while a latency is measured: waking a processor that sleeps takes longer
// than what is measured, above all in a virtual machine. Gives way to everything else at once.
//
//   bun bench/system/keep-awake.ts CPU

import { dieWithParent, pin, yieldToAll } from "./scheduling.ts";

dieWithParent();
pin(process.pid, [Number(process.argv[2])]);
yieldToAll();
for (;;);
