// May this command happen, and what then: the compiled table against xstate's interpreter.

import { bench, do_not_optimize, group, summary } from "mitata";
import { createActor } from "xstate";
import { compile } from "../../src/actors/machines/compile.ts";
import { resourceMachine } from "../../src/actors/machines/resource.ts";
import { eventIndex, step } from "../../src/actors/machines/table.ts";

const table = compile(resourceMachine);
const attach = eventIndex(table, "ATTACH_BACKING");
const detach = eventIndex(table, "DETACH_BACKING");
const created = step(table, table.initial, eventIndex(table, "CREATE_2D"));

group("lifecycle: attach and detach backing", () => {
  summary(() => {
    // The state lives in memory, as a resource's does: a constant one would be folded away.
    const states = Uint8Array.of(created);
    bench("compiled table", () => {
      states[0] = step(table, states[0]!, attach);
      states[0] = step(table, states[0]!, detach);
      do_not_optimize(states);
    });
    const actor = createActor(resourceMachine).start();
    actor.send({ type: "CREATE_2D" });
    bench("xstate actor", () => {
      actor.send({ type: "ATTACH_BACKING" });
      actor.send({ type: "DETACH_BACKING" });
    });
  });
});
