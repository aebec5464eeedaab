// How fast a fence comes back: from the moment when the renderer's own thread tells that it is done to the interrupt.

import type { DriverRing } from "../../../lab/driver/driver-ring.ts";
import { Header, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { nowNs } from "../clock.ts";
import { type Figure, figure } from "../figure.ts";
import { summarise } from "../../report/statistics.ts";
import type { Stage } from "../stage.ts";
import { isCalled, measureWakeUps } from "../wake-ups.ts";
import type { GuestWorkload } from "../workload.ts";
import { clearStream, openScene, submitRequest } from "./streams.ts";

const wakeUps = 1_000;

/** A picture that is done before a thread could sleep, and one for which all of them do. */
const sizes = { short: { width: 64, height: 64 }, long: { width: 1024, height: 1024 } } as const;

export const fences: GuestWorkload[] = Object.entries(sizes).map(([name, size]) => ({
  kind: "guest",
  name: `fence/${name}`,
  title: `Fenced SUBMIT_3D that clears ${size.width}×${size.height}: from "renderer done" to the interrupt`,
  renderer: "virgl",
  pinned: true,
  timesFences: true,
  measure: (stage) => measure(stage, clearStream(openScene(stage, size))),
}));

interface Samples {
  /** Microseconds from the offer to the interrupt, and from the end of the fence to it. */
  wholeUs: number[];
  returnUs: number[];
  /** Interrupts that brought nothing. */
  empty: number;
}

function measure(stage: Stage, stream: Uint8Array): Figure[] {
  const sample = fencedCommand(stage, stream);
  const samples: Samples = { wholeUs: [], returnUs: [], empty: 0 };
  const windows = stage.windows((count, measured) => {
    const target = measured ? samples : { wholeUs: [], returnUs: [], empty: 0 };
    for (let index = 0; index < count; index++) sample(target);
  });
  const bare = measureWakeUps(stage.cpus?.server ?? [], wakeUps);
  const returned = summarise(samples.returnUs);
  const woken = summarise(bare);
  return [
    figure("fence return", "µs", "less", samples.returnUs),
    figure("bare wake-up", "µs", "neither", bare),
    figure("fence return's median", "bare wake-ups", "less", [returned.median / woken.median]),
    figure("fence return's p99", "bare wake-ups' p99", "less", [returned.p99 / woken.p99]),
    figure("command", "µs", "less", samples.wholeUs),
    figure("empty interrupts", "/command", "less", [samples.empty / samples.wholeUs.length]),
    ...stage.cost("command", windows),
  ];
}

/** Sends one fenced command again and again, each time that the result is called. */
function fencedCommand({ guest, clock }: Stage, stream: Uint8Array): (samples: Samples) => void {
  const request = submitRequest(stream, 1);
  const { ring } = guest.control;
  const readable = guest.memory.allocate(request.byteLength, 64);
  const writable = guest.memory.allocate(Header.bytes, 64);
  readable.bytes.set(new Uint8Array(request.buffer as ArrayBuffer, request.byteOffset, request.byteLength));
  const head = ring.add([readable], [writable]);
  let fenceId = 0;
  return (samples) => {
    readable.words[Header.fenceId / 4] = ++fenceId;
    const before = clock!.fences;
    ring.enableCall();
    const startNs = nowNs();
    ring.offer(head);
    ring.commit();
    samples.empty += awaitUsed(ring);
    const endNs = nowNs();
    samples.wholeUs.push((endNs - startNs) / 1000);
    // The server may have asked before the renderer's thread has told.
    samples.returnUs.push(Math.max(0, endNs - clock!.doneNs(before)) / 1000);
    if (writable.words[Header.type / 4] !== Response.OK_NODATA) throw new Error("the command failed");
  };
}

/** Waits for an interrupt that brings something, which it takes; returns how many did not. */
function awaitUsed(ring: DriverRing): number {
  for (let empty = 0; ; empty++) {
    while (!isCalled(ring.callFd));
    if (ring.pop() >= 0) return empty;
  }
}
