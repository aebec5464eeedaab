// Host blobs: made, mapped into the guest's window, shown, and let go of in any order, while the front-end maps late or lies.

import * as blobs from "../../driver/commands-blob.ts";
import * as commands from "../../driver/commands.ts";
import * as commands3d from "../../driver/commands-3d.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import type { HostWindow, Manner } from "../../vmm/host-window.ts";
import {
  BlobFlag,
  BlobMem,
  Capset,
  Format,
  Response,
} from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, Seen, type Target } from "../target.ts";
import { memories, writeSetUp } from "../venus-grammar.ts";
import { untilAnswered } from "../waiting.ts";
import { venusFlags, venusGuest } from "./venus.ts";

const page = 4096;
const windowPages = 256;
/** By id: two of Vulkan, and one of GL, whose blobs this host cannot map. */
const contexts = [
  { id: 1, capset: Capset.VENUS },
  { id: 2, capset: Capset.VENUS },
  { id: 3, capset: Capset.VIRGL2 },
];
const blobIds = [0, 0, 0, ...memories.map(({ id }) => id)];
const formats = Object.values(Format);
const ids = 10;
const inFlight = 32;
/** Inputs for each of which the front-end lies once, by chance. */
const candour = 500;
/** What a front-end says that does what it is asked, or does not. */
const lies: readonly Manner[] = [
  "refuse",
  "hang-up",
  () => ({ request: 1 }),
  () => ({ flags: 1 }),
  () => ({ payload: new Uint8Array(64) }),
  () => ({ payload: new Uint8Array(0) }),
];

export const hostBlobs: Target = {
  name: "host-blobs",
  about: "a command about the host's memory, while the front-end maps it, late, or lies",
  batch: 4_000,
  reachesRenderer: true,
  flags: () => venusFlags,
  begin: ({ server }) => new BlobAttack(server.socketPath),
};

class BlobAttack implements Attack {
  private guest!: SyntheticGuest;
  private sent = 0;
  /** Ids that a blob may have. */
  private readonly named = new Set<number>();
  private hasLied = false;

  constructor(private readonly socketPath: string) {
    this.boot();
  }

  input(chance: Chance): void {
    const { window } = this;
    if (oneIn(chance, 12) && window.manner === "serve") window.manner = "stall";
    if (oneIn(chance, candour)) {
      window.manner = pick(chance, lies);
      this.hasLied = true;
    }
    this.guest.control.submit(this.request(chance));
    if (oneIn(chance, 4)) window.view(page * chance(windowPages), page).fill(chance(256));
    if (++this.sent % inFlight === 0) this.settle();
  }

  end(): void {
    try {
      this.settle();
      this.look();
    } finally {
      this.guest.close();
    }
  }

  private get window(): HostWindow {
    return this.guest.frontend.window!;
  }

  private boot(): void {
    this.guest = SyntheticGuest.boot(this.socketPath, venusGuest);
    this.named.clear();
    this.hasLied = false;
    for (const { id } of contexts) this.make(id);
    untilAnswered(this.guest);
  }

  /** Waits for all answers. A front-end that has lied starts anew: the device trusts it no more, and so do we. */
  private settle(): void {
    const { window, guest } = this;
    if (window.manner === "stall") window.catchUp();
    if (this.hasLied) {
      guest.close();
      return this.boot();
    }
    untilAnswered(guest);
    this.judge();
    for (const { id } of contexts) {
      if (guest.gpu.submit3d(id, new Uint8Array(0)).type === Response.OK_NODATA) continue;
      guest.gpu.destroyContext(id);
      this.make(id);
    }
  }

  private judge(): void {
    const [wrong] = this.window.violations;
    if (wrong !== undefined) throw new Seen(`the front-end was asked for what makes no sense: ${wrong}`);
  }

  /** Without blobs nothing is mapped. */
  private look(): void {
    const { gpu, pump } = this.guest;
    for (const id of this.named) gpu.unrefResource(id);
    pump.until(() => this.window.mapped.size === 0, "the end of what was mapped");
    this.judge();
  }

  private make(context: number): void {
    const { control } = this.guest;
    const { capset } = contexts[context - 1]!;
    control.submit(commands3d.createContext(context, `fuzz-${context}`, capset));
    if (capset !== Capset.VENUS) return;
    const answers = { resourceId: 100 + context, bytes: page };
    control.submit(commands.unrefResource(answers.resourceId));
    const blob = {
      resourceId: answers.resourceId,
      mem: BlobMem.HOST3D,
      flags: BlobFlag.MAPPABLE,
      size: page,
    };
    control.submit(blobs.createBlob(blob, [], { contextId: context }));
    control.submit(commands3d.submit3d(context, writeSetUp(answers)));
  }

  private request(chance: Chance): DataView {
    const id = odd(chance, 1 + chance(ids), 30);
    const context = odd(chance, 1 + chance(contexts.length), 40);
    const pages = 1 + chance(4);
    const header = { contextId: context, flags: chance(2), fenceId: BigInt(chance(1000)) };
    const [width, height] = [odd(chance, 1 + chance(64), 20), odd(chance, 1 + chance(16), 20)];
    const rectangle = { x: odd(chance, 0), y: odd(chance, 0), width, height };
    const create = (): DataView => {
      this.named.add(id);
      const mem = odd(chance, BlobMem.HOST3D, 20);
      const blob = {
        resourceId: id,
        mem,
        flags: odd(chance, 1 + chance(7), 20),
        blobId: odd(chance, pick(chance, blobIds)),
      };
      return blobs.createBlob(
        { ...blob, size: odd(chance, pages * page - (oneIn(chance, 6) ? chance(page) : 0)) },
        [],
        header,
      );
    };
    const map = (): DataView =>
      blobs.mapBlob(id, odd(chance, chance(windowPages) * page), { flags: chance(2), fenceId: 1n });
    const makers = [
      create,
      create,
      map,
      map,
      map,
      () => blobs.unmapBlob(id),
      () => commands.unrefResource(id),
      () => pick(chance, [commands3d.attachResource, commands3d.detachResource])(context, id),
      () => {
        const layout = {
          format: odd(chance, pick(chance, formats)),
          width,
          height,
          strides: [odd(chance, width * 4), 0, 0, 0],
          offsets: [odd(chance, chance(page))],
        };
        return blobs.setScanoutBlob(odd(chance, 0), id, rectangle, layout);
      },
      () => commands.flushResource(id, rectangle),
      () => commands.transferToHost2d(id, rectangle, word(chance)),
      () => (oneIn(chance, 10) ? commands3d.destroyContext(context) : commands.assignUuid(id)),
    ];
    return pick(chance, makers)();
  }
}
