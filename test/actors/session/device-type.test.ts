// A session serves whatever type of device it is told of: here one that is no GPU.
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { DeviceType } from "../../../src/actors/device-type.ts";
import { gpuDevice } from "../../../src/actors/gpu/device-type.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { RequestType as R } from "../../../src/transport/wire/vhost-user/protocol.ts";
import { u64 } from "../../../src/transport/wire/vhost-user/replies.ts";
import { type Front, frame, SessionBench } from "../../support/session-bench.ts";

/** One queue, six bytes of configuration of which the last is the driver's, no display. */
const bell: DeviceType = {
  title: "a bell",
  queues: ["cursor-queue"],
  commands: gpuDevice.commands,
  hasDisplaySocket: false,
  sharedMemory: null,
  state: null,
  written(fields, offset, data): boolean {
    const at = 5 - offset;
    if (at >= 0 && at < data.length) fields.setUint8(5, data[at]!);
    return false;
  },
  displayChanged: () => undefined,
};
const offer = { features: 0x80_0001, config: Uint8Array.of(1, 2, 3, 4, 5, 6) };

let bench: SessionBench;
let front: Front;
beforeEach(() => {
  bench = new SessionBench({ device: bell, offer });
  front = bench.connect();
});
afterEach(() => bench.close());

const config = (offset: number, ...data: number[]): Uint8Array =>
  Uint8Array.from([...new Uint8Array(Uint32Array.of(offset, data.length, 0).buffer), ...data]);
const lastLine = (): string => bench.context.logged.at(-1)!.text;

test("its features are offered beside those of every device", () => {
  const offered = new DataView(front.ask(R.GET_FEATURES).payload.buffer).getBigUint64(0, true);
  expect(offered & 0xff_ffffn).toBe(0x80_0001n);
  expect(offered).toBe(0x80_0001n | 0x1_7400_0000n);
});

test("it has as many queues as it says", () => {
  expect(front.ask(R.GET_QUEUE_NUM).payload).toEqual(u64(1));
  front.send(frame(R.SET_VRING_NUM, new Uint8Array(Uint32Array.of(1, 8).buffer)));
  expect(lastLine()).toBe(
    "the front-end broke the protocol: there is no vring 1: a bell has 1 (QEMU's generic device: num_vqs=1)",
  );
});

test("its queue is asked of the actor that serves it, and of nobody else", () => {
  front.tell(R.SET_MEM_TABLE, new Uint8Array(8));
  expect(bench.toldTypes).toEqual(["cursor-queue map-memory"]);
});

test("its configuration is read as it is, and written as the device says", () => {
  const read = (): number[] => [
    ...front.ask(R.GET_CONFIG, config(0, 0, 0, 0, 0, 0, 0, 0, 0)).payload.slice(12),
  ];
  expect(read()).toEqual([1, 2, 3, 4, 5, 6, 0, 0]);
  front.tell(R.SET_CONFIG, config(3, 9, 9, 9));
  expect(read()).toEqual([1, 2, 3, 4, 5, 9, 0, 0]);
});

test("it takes no display socket", () => {
  const pair = socketPair("stream");
  front.send(frame(R.GPU_SET_SOCKET), [pair[0]]);
  expect(lastLine()).toBe("the front-end broke the protocol: a bell has no display");
  pair.forEach(closeFd);
});
