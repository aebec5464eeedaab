// What a driver does with blobs of its own pages.

import { pick } from "../../lab/fuzz/chance.ts";
import { type BlobLayout, createBlob, setScanoutBlob } from "../../lab/driver/commands-blob.ts";
import { BlobFlag, BlobMem } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Hand, nowhere } from "./hand.ts";
import { scanoutCount } from "./model.ts";
import { formats, type ModelResource } from "./model-parts.ts";

/** Room for an image of a cursor, and more. */
const bytesMax = 64 * 64 * 4 + 8192;

export class Blobs {
  constructor(private readonly hand: Hand) {}

  create(): void {
    const { hand } = this;
    const { chance } = hand;
    const id = hand.newId();
    const length = 4 * chance(bytesMax / 4);
    const ranges = hand.pagesOf(id, length);
    const wrong = hand.isWrong() ? chance(4) : -1;
    const sent = wrong === 0 ? [...ranges, nowhere] : ranges;
    const mem = wrong === 1 ? 4 + chance(100) : BlobMem.GUEST;
    const flags = wrong === 2 ? 8 << chance(20) : pick(chance, [0, BlobFlag.SHAREABLE, BlobFlag.MAPPABLE]);
    const size = hand.isWrong() ? chance(2 * bytesMax) : length;
    const header = hand.header();
    const count = sent.length + (wrong === 3 ? 1 : 0);
    const request = createBlob({ resourceId: id, mem, flags, size }, sent, header, count);
    const name = "RESOURCE_CREATE_BLOB";
    hand.send(name, request, (model) => model.createBlob(id, size, ranges, wrong < 0), header);
  }

  /** Of the renderer's memory. */
  createOnHost(): void {
    const { hand } = this;
    const { chance } = hand;
    const id = hand.newId();
    const contextId = hand.anyContext();
    const size = hand.isWrong() ? 0 : 4 * (1 + chance(bytesMax / 4));
    const isSound = !hand.isWrong();
    const header = { ...hand.header(), contextId };
    const blob = { resourceId: id, mem: BlobMem.HOST3D, flags: BlobFlag.SHAREABLE, size };
    const request = createBlob(blob, isSound ? [] : [nowhere], header);
    const name = "RESOURCE_CREATE_BLOB";
    hand.send(name, request, (model) => model.createHostBlob(contextId, id, size, isSound), header);
  }

  show(): void {
    const { hand } = this;
    const { chance } = hand;
    const resource = this.any();
    const scanout = hand.isWrong() ? chance(2 * scanoutCount) : chance(2);
    const id = chance(8) === 0 ? 0 : (resource?.id ?? hand.anyId());
    const layout = this.layoutIn(resource?.size ?? 64);
    const rect = hand.rectangle(layout);
    const header = hand.header();
    const request = setScanoutBlob(scanout, id, rect, layout, header);
    const name = "SET_SCANOUT_BLOB";
    hand.send(name, request, (model) => model.setScanoutBlob(scanout, id, rect, layout), header);
  }

  private any(): ModelResource | undefined {
    const { hand } = this;
    const all = [...hand.model.resources.values()].filter(({ size }) => size > 0);
    return hand.isWrong() || all.length === 0 ? hand.anyResource() : pick(hand.chance, all);
  }

  /** Rows that lie in so many bytes, if it is no mistake. */
  private layoutIn(size: number): BlobLayout {
    const { hand } = this;
    const { chance } = hand;
    const format = hand.isWrong() ? 0xffff : pick(chance, formats);
    const words = Math.max(1, Math.floor(size / 4));
    const width = 1 + chance(Math.min(64, words));
    const stride = width + chance(3);
    const rows = Math.max(1, Math.floor(words / stride));
    const height = hand.isWrong() ? 1 + chance(2000) : 1 + chance(Math.min(64, rows));
    const left = words - stride * height;
    const offset = left > 0 ? chance(left) : 0;
    return { format, width, height, strides: [stride * 4], offsets: [offset * 4] };
  }
}
