// The display reader's thread.

import { workerData } from "node:worker_threads";
import { DisplayPeer } from "../../lab/vmm/display-peer.ts";
import { Pump } from "../../lab/driver/pump.ts";
import {
  CursorPosition,
  CursorUpdate,
  Header,
  DisplayRequest,
  Scanout,
  Update,
} from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { type DisplayWorkerData, Total, Word } from "./display-reader.ts";

/** How soon a wish of the other thread is noticed. */
const noticeMs = 5;

const cursorRequests = [
  DisplayRequest.CURSOR_POS,
  DisplayRequest.CURSOR_POS_HIDE,
  DisplayRequest.CURSOR_UPDATE,
];
const data = workerData as DisplayWorkerData;
const words = new Int32Array(data.words);
const totals = new Float64Array(data.totals);
const pump = new Pump();
const peer = new DisplayPeer(data.fd, pump, data.options);
peer.pause();

for (;;) {
  const wanted = Atomics.load(words, Word.wanted);
  let changed = false;
  if (wanted !== words[Word.reading]) {
    if (wanted === 1) peer.resume();
    else peer.pause();
    Atomics.store(words, Word.reading, wanted);
    changed = true;
  }
  if (pump.epoll.wait(noticeMs) > 0) changed = true;
  if (!changed) continue;
  totals[Total.pixelBytes] = peer.bytes - bytesBesidePixels();
  totals[Total.cursorMessages] = cursorRequests.reduce((sum, request) => sum + peer.count(request), 0);
  Atomics.add(words, Word.progress, 1);
  Atomics.notify(words, Word.progress);
}

/** Of everything that was announced. */
function bytesBesidePixels(): number {
  const sizes: [number, number][] = [
    [DisplayRequest.GET_PROTOCOL_FEATURES, 0],
    [DisplayRequest.SET_PROTOCOL_FEATURES, 8],
    [DisplayRequest.GET_DISPLAY_INFO, 0],
    [DisplayRequest.GET_EDID, 4],
    [DisplayRequest.CURSOR_POS, CursorPosition.bytes],
    [DisplayRequest.CURSOR_POS_HIDE, CursorPosition.bytes],
    [DisplayRequest.CURSOR_UPDATE, CursorUpdate.bytes],
    [DisplayRequest.SCANOUT, Scanout.bytes],
    [DisplayRequest.UPDATE, Update.bytes],
  ];
  return sizes.reduce((sum, [request, bytes]) => sum + peer.count(request) * (Header.bytes + bytes), 0);
}
