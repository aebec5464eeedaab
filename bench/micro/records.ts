// What it takes to hand what a guest has made to somebody who looks: 256 resources as flat records, by msgpackr with
// shared structures and as JSON.

import { bench, do_not_optimize, group } from "mitata";
import { Packr } from "msgpackr";

const records = Array.from({ length: 256 }, (_, id) => ({
  id,
  state: "backed",
  width: 1920,
  height: 1080,
  format: 2,
  stride: 7680,
  bytes: 1920 * 1080 * 4,
  scanouts: id & 1,
}));

const packr = new Packr({ structures: [] });
// The first record teaches the structure, which both sides then share.
packr.pack(records);
const packed = packr.pack(records);
const text = JSON.stringify(records);

group(`256 flat records: msgpackr (${packed.length} bytes), JSON (${text.length} bytes)`, () => {
  bench("msgpackr packs", () => do_not_optimize(packr.pack(records)));
  bench("msgpackr unpacks", () => do_not_optimize(packr.unpack(packed)));
  bench("JSON.stringify", () => do_not_optimize(JSON.stringify(records)));
  bench("JSON.parse", () => do_not_optimize(JSON.parse(text)));
});
