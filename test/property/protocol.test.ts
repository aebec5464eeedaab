// Wire codecs against what was put in: any stream of vhost-user messages, cut anywhere; any virtio-gpu header.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { gpuDevice } from "../../src/actors/gpu/device-type.ts";
import { Request as GpuRequest } from "../../src/actors/queue/request.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair } from "../../src/transport/os/unix-socket.ts";
import { Channel } from "../../src/transport/wire/vhost-user/channel.ts";
import { Header, HeaderFlag } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const message = fc.record({
  request: fc.nat(0xffff_ffff),
  needsReply: fc.boolean(),
  payload: fc.uint8Array({ maxLength: 300 }),
});
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 50 });

test("messages arrive whole and in order, wherever the stream is cut", () => {
  const io = new SocketIo();
  const scratch = NativeMemory.allocate(4096);
  const bytes = new Uint8Array(scratch.view());
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), cuts, (messages, pieces) => {
      const [frontend, backend] = socketPair("stream");
      const channel = new Channel(backend);
      const stream = messages.flatMap(({ request, needsReply, payload }) => [
        ...new Uint8Array(Uint32Array.of(request, needsReply ? 9 : 1, payload.length).buffer),
        ...payload,
      ]);
      const received: unknown[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const piece = stream.slice(at, at + pieces[turn % pieces.length]!);
        bytes.set(piece);
        io.clear();
        io.gather(scratch.address, piece.length);
        io.send(frontend);
        at += piece.length;
        for (let read = channel.read(); typeof read === "object"; read = channel.read()) {
          const { request, needsReply, payload } = read;
          const copy = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength).slice();
          received.push({ request, needsReply, payload: copy });
        }
      }
      channel.close();
      closeFd(frontend);
      expect(received).toEqual(messages);
    }),
  );
  io.close();
  scratch.unmap();
});

test("a response echoes a fenced request's flag, 64-bit fence id, context and ring, and nothing of any other", () => {
  const request = new GpuRequest(4096);
  const u32 = fc.nat(0xffff_ffff);
  fc.assert(
    fc.property(fc.array(u32, { minLength: 6, maxLength: 6 }), u32, (header, type) => {
      request.words.set(header);
      request.responseWords.fill(0xdead_beef, 0, Header.bytes / 4);
      gpuDevice.commands.writeHeader(request.responseWords, type, request.words);
      const [, flags, fenceLow, fenceHigh, context, ring] = header as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const echoed =
        (flags & HeaderFlag.FENCE) === 0
          ? [0, 0, 0, 0, 0]
          : [
              flags & (HeaderFlag.FENCE | HeaderFlag.INFO_RING_IDX),
              fenceLow,
              fenceHigh,
              context,
              ring & 0xff,
            ];
      expect([...request.responseWords.subarray(0, 6)]).toEqual([type, ...echoed]);
    }),
  );
  request.close();
});

test("a u64 is exact below 2^53, and above it fails every bounds check", () => {
  const request = new GpuRequest(4096);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      request.words[6] = Number(value & 0xffff_ffffn);
      request.words[7] = Number(value >> 32n);
      expect(request.u64(24)).toBe(value < 2n ** 53n ? Number(value) : Infinity);
    }),
  );
  request.close();
});
