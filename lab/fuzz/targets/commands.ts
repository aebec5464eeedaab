// Commands of 2D, blobs and the cursor, right in most fields, in pieces and out of order.

import * as blobs from "../../driver/commands-blob.ts";
import * as commands from "../../driver/commands.ts";
import type { GuestBuffer } from "../../driver/guest-memory.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { BlobMem, Command, Feature, Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, awayFromEdges, patienceMs, type Target } from "../target.ts";
import { untilAnswered } from "../waiting.ts";

const formats = Object.values(Format);
const types = Object.values(Command);
const requestBytesMax = 1024;
/** Commands that are published at once, and after so many all answers are waited for. */
const together = 16;
const inFlight = 64;

export const commandTarget: Target = {
  name: "commands",
  about: "a command of 2D, blobs or the cursor",
  batch: 20_000,
  recordable: true,
  flags: () => ["--renderer", "software", "--vulkan", "off", "--storage-bytes-max", "67108864"],
  begin: ({ server }) => new CommandAttack(server.socketPath),
};

class CommandAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly pages: GuestBuffer;
  private sent = 0;

  constructor(socketPath: string) {
    const gpuFeatures = [Feature.EDID, Feature.RESOURCE_UUID, Feature.RESOURCE_BLOB];
    this.guest = SyntheticGuest.boot(socketPath, { memory: awayFromEdges, gpuFeatures, patienceMs });
    this.pages = this.guest.memory.allocate(64 * 4096);
  }

  input(chance: Chance): void {
    const { control, cursor } = this.guest;
    let bytes = bytesOf(oneIn(chance, 20) ? this.anything(chance) : this.request(chance));
    if (oneIn(chance, 4)) bytes = mutated(chance, bytes, requestBytesMax);
    const isCursor = bytes.length > 1 && bytes[1] === 3 ? !oneIn(chance, 40) : oneIn(chance, 40);
    const queue = isCursor ? cursor : control;
    // A chain has a descriptor at least.
    const isOdd = bytes.length > 0 && oneIn(chance, 8);
    queue.submit(bytes, {
      hold: ++this.sent % together !== 0,
      ...(isOdd ? { responseBytes: pick(chance, [0, 1, 23, 24, 2000]) } : {}),
      ...(isOdd && bytes.length > 8 ? { requestPieces: piecesOf(chance, bytes.length) } : {}),
      indirect: oneIn(chance, 3),
    });
    if (this.sent % inFlight === 0) untilAnswered(this.guest);
  }

  end(): void {
    try {
      if (!this.guest.frontend.closed) untilAnswered(this.guest);
    } finally {
      this.guest.close();
    }
  }

  private request(chance: Chance): DataView {
    const id = odd(chance, 1 + chance(6));
    const [width, height] = [odd(chance, 1 + chance(90), 20), odd(chance, 1 + chance(60), 20)];
    const rectangle = { x: odd(chance, chance(8)), y: odd(chance, chance(8)), width, height };
    const header = { flags: chance(2), fenceId: BigInt(chance(1000)), contextId: chance(2) };
    const count = 1 + chance(6);
    const format = odd(chance, pick(chance, formats), 20);
    const makers = [
      () => commands.createResource2d(id, format, width, height, header),
      () => commands.unrefResource(id, header),
      () => commands.setScanout(odd(chance, chance(3)), id, rectangle, header),
      () => commands.flushResource(id, rectangle, header),
      () => commands.transferToHost2d(id, rectangle, odd(chance, chance(4096)), header),
      () => commands.attachBacking(id, this.entries(chance, count), header, odd(chance, count)),
      () => commands.detachBacking(id, header),
      () => commands.assignUuid(id, header),
      () => commands.getEdid(odd(chance, chance(2)), header),
      () => commands.getDisplayInfo(header),
      () =>
        commands.updateCursor(
          this.place(chance),
          id,
          odd(chance, chance(64)),
          odd(chance, chance(64)),
          header,
        ),
      () => commands.moveCursor(this.place(chance), odd(chance, id), header),
      () => {
        const blob = {
          resourceId: id,
          mem: odd(chance, BlobMem.GUEST),
          flags: odd(chance, 2),
          size: odd(chance, count * 4096),
        };
        return blobs.createBlob(blob, this.entries(chance, count), header, odd(chance, count));
      },
      () => {
        const strides = [odd(chance, width * 4), 0, 0, 0];
        const layout = { format, width, height, strides, offsets: [odd(chance, chance(4096))] };
        return blobs.setScanoutBlob(odd(chance, chance(3)), id, rectangle, layout, header);
      },
      () => blobs.mapBlob(id, odd(chance, chance(16) * 4096), header),
      () => blobs.unmapBlob(id, header),
    ];
    return pick(chance, makers)();
  }

  private anything(chance: Chance): DataView {
    const view = commands.request(odd(chance, pick(chance, types), 6), 24 + 4 * chance(20), {
      flags: chance(4),
    });
    for (let at = 24; at < view.byteLength; at += 4) view.setUint32(at, odd(chance, chance(70), 3), true);
    return view;
  }

  private place(chance: Chance): commands.CursorPlace {
    return { scanoutId: odd(chance, chance(2)), x: odd(chance, chance(90)), y: odd(chance, chance(60)) };
  }

  private entries(chance: Chance, count: number): { address: number; length: number }[] {
    return Array.from({ length: count }, () => ({
      address: oneIn(chance, 20) ? word(chance) : this.pages.address + chance(60) * 4096,
      length: odd(chance, 4096),
    }));
  }
}

const bytesOf = (view: DataView): Uint8Array =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);

/** Lengths of descriptors, some of them 0, that add up to `total`. */
function piecesOf(chance: Chance, total: number): number[] {
  const pieces: number[] = [];
  let left = total;
  for (let piece = 0; piece < 3; piece++) {
    const length = chance(left + 1);
    pieces.push(length);
    left -= length;
  }
  return [...pieces, left];
}
