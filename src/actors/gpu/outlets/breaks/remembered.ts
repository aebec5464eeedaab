// The beginnings of requests that were parked while somebody had a break, for as long as they have no answer.

import { Header } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Parked } from "../../../queue/queue-handler.ts";
import { requestBytesMax } from "../../../runtime/tap/layout.ts";
import type { RequestView } from "./request-view.ts";
import { nanoseconds } from "../../../../transport/os/clock.ts";

/** Made once for each {@link Parked}, which are as few as descriptors, and used again with it. */
interface Remembered {
  readonly words: Uint32Array;
  /** 0 where it has its answer. */
  length: number;
  number: number;
  takenNs: number;
  parkedNs: number;
}

export class RememberedRequests {
  private readonly all = new Map<Parked, Remembered>();

  keep(parked: Parked, words: Uint32Array, length: number, number: number, takenNs: number): void {
    let one = this.all.get(parked);
    if (one === undefined) {
      one = { words: new Uint32Array(requestBytesMax / 4), length: 0, number: 0, takenNs: 0, parkedNs: 0 };
      this.all.set(parked, one);
    }
    one.length = Math.min(length, requestBytesMax);
    one.number = number;
    one.takenNs = takenNs;
    one.parkedNs = nanoseconds();
    const end = (one.length + 3) >>> 2;
    for (let word = 0; word < end; word++) one.words[word] = words[word]!;
  }

  /** Has `view` look at the request that waits in `parked`, of which at least the header is known, and says how long it has. */
  look(parked: Parked, view: RequestView): RequestView {
    const one = this.all.get(parked);
    if (one === undefined || one.length === 0) return view.of(parked.header, Header.bytes, parked.command);
    view.of(one.words, one.length, one.number);
    const now = nanoseconds();
    view.ranNs = now - one.takenNs;
    if (view.isFenced) view.waitedNs = now - one.parkedNs;
    return view;
  }

  forget(parked: Parked): void {
    const one = this.all.get(parked);
    if (one !== undefined) one.length = 0;
  }
}
