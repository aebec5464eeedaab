// The ctrl queue's worker as a guest might leave it that has taken its process over: when a guest frees resource
// 4711 it writes what it likes to the line that ROGUE_LINE names, as ROGUE_WAY says.

import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import type { Request } from "../../../src/actors/queue/request.ts";
import type { ActorName } from "../../../src/actors/registry.ts";
import { ringBytes, ringDataBytes } from "../../../src/actors/runtime/lines/byte-ring.ts";
import { lineMemoryBytes } from "../../../src/actors/runtime/lines/ring-line.ts";
import { runActor } from "../../../src/actors/runtime/run-actor.ts";
import { SharedWords, slotOf } from "../../../src/actors/runtime/shared-words.ts";
import { ownStart } from "../../../src/actors/runtime/start.ts";
import { signalEventfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Command } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

const rogueResource = 4711;

const peer = process.env["ROGUE_LINE"] as ActorName;
const way = process.env["ROGUE_WAY"] as keyof typeof ways;
const start = ownStart();
const shared = SharedWords.open(start.wordsFd);
const [, end] = start.lines.find(([name]) => name === peer)!;
if (end.kind !== "rings") throw new Error("this is no process of its own");
// Mapped once more, before the runtime takes it.
const memory = NativeMemory.mapShared(end.memoryFd, 0, lineMemoryBytes, "write");
const ours = end.side * ringBytes;
const head = new Int32Array(memory.view(ours, 4096));
const words = new Uint32Array(memory.view(ours + 4096, ringDataBytes));
const bytes = new Uint8Array(memory.view(ours + 4096, ringDataBytes));

/** Puts a record where the runtime's next one would lie. */
function forge(text: string, word: number, length = text.length): void {
  const at = head[0]! & (ringDataBytes - 1);
  words[at / 4] = length;
  words[at / 4 + 1] = word;
  new TextEncoder().encodeInto(text, bytes.subarray(at + 8));
  Atomics.store(head, 0, head[0]! + 8 + ((length + 7) & ~7));
}

const ways = {
  "beyond-its-ring": () => forge("{}", 1, 0xffff_fff0),
  "no-message": () => forge("]", 1),
  "no-descriptors": () => forge('{"type":"buffer","fd":7}', 3),
};

class RogueQueue extends CtrlQueue {
  override execute(request: Request): number {
    const response = super.execute(request);
    if (request.words[0] !== Command.RESOURCE_UNREF || request.words[6] !== rogueResource) return response;
    ways[way]();
    // As any message does.
    if (shared.ring(slotOf(peer))) signalEventfd(start.bellFds[peer]!);
    return response;
  }
}

await runActor("ctrl-queue", (context) => new RogueQueue(context));
