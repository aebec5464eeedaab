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
import type { ActorContext } from "../../../src/actors/runtime/actor.ts";
import { cString, F_ADD_SEALS, F_SETFL, libc } from "../../../src/ffi/libc.ts";
import { pauseMs } from "../../../src/transport/os/clock.ts";
import { duplicateFd, signalEventfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Command } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

const rogueResource = 4711;

const peer = process.env["ROGUE_LINE"] as ActorName;
const way = process.env["ROGUE_WAY"]!;
const start = ownStart();
const shared = SharedWords.open(start.words.fd, start.words.outside);
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

const say = (message: object): void => forge(JSON.stringify(message), 1);

const ways: Readonly<Record<string, (context: ActorContext) => void>> = {
  "beyond-its-ring": () => forge("{}", 1, 0xffff_fff0),
  "no-message": () => forge("]", 1),
  "no-descriptors": () => forge('{"type":"buffer","fd":7}', 3),
  "no-level": () => say({ type: "log", level: 7, text: "" }),
  "no-config": () => say({ type: "offer", features: 1 }),
  "outside-of-its-scanout": () => say({ type: "flush", scanout: 0, x: -64, y: 0, width: 64, height: 48 }),
  /** Everybody who sleeps is awake, and nobody was rung: who rings them next does not wake them. And the display is slow. */
  "false-bells": () => {
    const bells = NativeMemory.mapShared(start.words.fd, 0, 1024, "write");
    new Int32Array(bells.view()).fill(0);
    const period = NativeMemory.mapShared(start.areaFds["display-period"]!, 0, 4, "write");
    new Int32Array(period.view()).fill(0x7fff_ffff);
    process.exit(1);
  },
  /** Everybody's bell is full, and would have whoever rings it wait. */
  "full-bells": () => {
    const most = new BigUint64Array([2n ** 64n - 2n]);
    for (const [name, fd] of Object.entries(start.bellFds)) {
      // A socket, whose other end is the server's alone.
      if (name === "supervisor") continue;
      libc.read(fd, new BigUint64Array(1), 8);
      libc.write(fd, most, 8);
      libc.fcntl(fd, F_SETFL, 0);
    }
    process.exit(1);
  },
  /** What it was given may be mapped to write by nobody any more. */
  "sealed-off": () => {
    const F_SEAL_FUTURE_WRITE = 0x10;
    for (const fd of [start.words.fd, ...Object.values(start.areaFds)])
      libc.fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    process.exit(1);
  },
  /** It counts what is no number, and stands still. */
  "no-numbers": () => {
    shared.counters(slotOf("ctrl-queue")).fill(Number.NaN);
    for (;;);
  },
  "cut-off": cutOff,
  /** It leaves a program behind, with all that it was given and in a session of its own, which has left one itself. */
  orphans: () => {
    Bun.spawnSync(["setsid", "sh", "-c", "sleep 4711 & sleep 4711 &"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    process.exit(1);
  },
};

/** Has the display show memory that is cut off once it is mapped. */
function cutOff(context: ActorContext): void {
  const bytes = 1024 * 1024;
  const fd = libc.memfd_create(cString("rogue"), 0);
  libc.ftruncate(fd, bytes);
  const size = { width: 512, height: 512 };
  context.send("display", {
    type: "add-surface",
    ...{ surface: 4711, fd: duplicateFd(fd), offset: 0, bytes, stride: 2048, ...size, format: 1 },
  });
  context.send("display", { type: "show-scanout", scanout: 0, surface: 4711, x: 0, y: 0, ...size });
  while (context.backlog("display") > 0) pauseMs(1);
  libc.ftruncate(fd, 0);
  context.send("display", { type: "flush", scanout: 0, x: 0, y: 0, ...size });
}

class RogueQueue extends CtrlQueue {
  constructor(private readonly own: ActorContext) {
    super(own);
  }

  /** Lends memory that it could cut off, where it is to. */
  override receive(message: Parameters<CtrlQueue["receive"]>[0], from?: ActorName): void {
    if (way !== "loose-loan" || message.type !== "ask-buffer") return super.receive(message, from);
    const fd = libc.memfd_create(cString("rogue"), 0);
    libc.ftruncate(fd, 4096);
    const layout = { stride: 64, offset: 0, modifierHigh: 0, modifierLow: 0 };
    this.own.send("resource-bridge", { type: "buffer", token: message.token, fd, ...layout });
  }

  override execute(request: Request): number {
    const response = super.execute(request);
    if (request.words[0] !== Command.RESOURCE_UNREF || request.words[6] !== rogueResource) return response;
    ways[way]!(this.own);
    // As any message does.
    if (shared.ring(slotOf(peer))) signalEventfd(start.bellFds[peer]!);
    return response;
  }
}

await runActor("ctrl-queue", (context) => new RogueQueue(context));
