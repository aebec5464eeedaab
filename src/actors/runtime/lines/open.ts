// Lines in the making: a pair of ends, and a line from an end.

import { createMemfd, duplicateFd } from "../../../transport/os/fds.ts";
import { socketPair } from "../../../transport/os/unix-socket.ts";
import type { ActorName, WorkerName } from "../../registry.ts";
import type { Line, LineEnd } from "./line.ts";
import { PortLine } from "./port-line.ts";
import { lineMemoryBytes, RingLine } from "./ring-line.ts";

/** Both ends of a line between threads of this process, or between processes. */
export function lineEnds(kind: LineEnd["kind"]): [LineEnd, LineEnd] {
  if (kind === "port") {
    const { port1, port2 } = new MessageChannel();
    return [
      { kind, port: port1 },
      { kind, port: port2 },
    ];
  }
  const memoryFd = createMemfd("fencepost-line", lineMemoryBytes);
  const [first, second] = socketPair("seqpacket");
  return [
    { kind, memoryFd, socketFd: first, side: 0 },
    { kind, memoryFd: duplicateFd(memoryFd), socketFd: second, side: 1 },
  ];
}

/** The ends of each actor of `names`: one line a pair. */
export function linesAmong(
  names: readonly WorkerName[],
  peersOf: (name: WorkerName) => readonly WorkerName[],
  ends: (name: WorkerName, peer: WorkerName) => [LineEnd, LineEnd],
): Map<WorkerName, [ActorName, LineEnd][]> {
  const lines = new Map<WorkerName, [ActorName, LineEnd][]>(names.map((name) => [name, []]));
  for (const name of names) {
    for (const peer of peersOf(name).filter((one) => name < one)) {
      const [end, otherEnd] = ends(name, peer);
      lines.get(name)!.push([peer, end]);
      lines.get(peer)!.push([name, otherEnd]);
    }
  }
  return lines;
}

/** `ring` rings the bell of whoever has the other end. */
export const openLine = (end: LineEnd, ring: () => void): Line =>
  end.kind === "port" ? new PortLine(end.port) : new RingLine(end, ring);

/** What has to be transferred along with an end. */
export const portsOf = (ends: readonly LineEnd[]): MessagePort[] =>
  ends.flatMap((end) => (end.kind === "port" ? [end.port] : []));
