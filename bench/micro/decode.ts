// The fields of a request, read from the private copy.

import { bench, do_not_optimize, group, summary } from "mitata";
import { gpuDevice } from "../../src/actors/gpu/device-type.ts";
import { Request } from "../../src/actors/queue/request.ts";
import * as commands from "../../lab/driver/commands.ts";
import { Header, TransferToHost2d } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const bytes = new Uint8Array(
  commands.transferToHost2d(7, { x: 1, y: 2, width: 640, height: 480 }, 0x1_0000_0000, { fenceId: 5n })
    .buffer,
);
const request = new Request(4096);
new Uint8Array(request.words.buffer).set(bytes);
const view = new DataView(bytes.buffer);
const fields = Object.entries(TransferToHost2d)
  .filter(([name]) => name !== "offset" && name !== "bytes")
  .map(([, offset]) => offset);

group("decode a TRANSFER_TO_HOST_2D", () => {
  summary(() => {
    bench("words, as the server does", () => {
      let sum = request.type + (request.u32(Header.flags) & 1);
      for (const offset of fields) sum += request.u32(offset);
      do_not_optimize(sum + request.u64(TransferToHost2d.offset));
    });
    bench("DataView", () => {
      let sum = view.getUint32(Header.type, true) + (view.getUint32(Header.flags, true) & 1);
      for (const offset of fields) sum += view.getUint32(offset, true);
      do_not_optimize(sum + Number(view.getBigUint64(TransferToHost2d.offset, true)));
    });
  });
  bench("write the response's header", () => {
    gpuDevice.commands.writeHeader(request.responseWords, 0x1100, request.words);
    do_not_optimize(request.responseWords);
  });
});
