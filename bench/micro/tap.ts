// What a command costs more while somebody reads the tap: that it was taken, that its resource was asked for, its answer.

import { bench, group } from "mitata";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { Head, tapBytes } from "../../src/actors/runtime/tap/layout.ts";
import { Tap } from "../../src/actors/runtime/tap/tap.ts";

/** A tap with a reader that looks after each command, or never: then commands are only counted. */
function command(requestBytes: number, looks = true): () => void {
  const memory = NativeMemory.allocate(tapBytes);
  const head = new Uint32Array(memory.view(0, 1024));
  head[Head.on] = 1;
  const tap = new Tap(memory);
  tap.look();
  const counts = tap.countsOf(tap.machine("resource", 315, 21))!;
  const request = new Uint32Array(requestBytes / 4).fill(0x104);
  return () => {
    tap.commandTaken(request, requestBytes, 24);
    counts[12]!++;
    tap.commandRan(0x1100, 24, false);
    if (!looks) return;
    head[Head.taken] = head[Head.written]!;
    head[Head.looks]!++;
    tap.whileRead();
  };
}

group("the tap: a command that is taken, moves nothing, and is completed", () => {
  bench("RESOURCE_FLUSH, of 48 bytes", command(48));
  bench("the same in a flood, only counted", command(48, false));
  bench("SUBMIT_3D, of which 96 bytes are kept", command(4096));
});
