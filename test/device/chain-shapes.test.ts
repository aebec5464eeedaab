// Good chains in every shape that a driver may choose: the same command, the same answer.

import { describe, expect, test } from "bun:test";
import type { SubmitOptions } from "../../lab/driver/command-queue.ts";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { RequestType } from "../../src/transport/wire/vhost-user/protocol.ts";
import { vringState } from "../../lab/vmm/vhost-user-payloads.ts";
import { expectOk, expectShown, expectType, expectWorking, pattern, serveTests } from "./support.ts";

const { withDevice, withConnection, expectServing } = serveTests();
const whole = areaOf({ width: 24, height: 20 });

const pieces = (total: number, length: number): number[] =>
  Array.from({ length: Math.ceil(total / length) }, (_, at) => Math.min(length, total - at * length));

/** Shows a picture with commands that are laid out as `shape` says for a request of so many bytes. */
function showWith(guest: SyntheticGuest, shape: (requestBytes: number) => SubmitOptions): void {
  const { control, memory } = guest;
  const picture = pattern(24, 20);
  const backing = memory.allocate(picture.byteLength);
  backing.words.set(picture);
  const entries = pieces(picture.byteLength, 160).map((length, at) => backing.slice(at * 160, length));
  const requests = [
    commands.createResource2d(1, Format.B8G8R8X8, 24, 20),
    commands.attachBacking(1, entries),
    commands.transferToHost2d(1, whole, 0),
    commands.setScanout(0, 1, whole),
    commands.flushResource(1, whole, { fenceId: 2n ** 40n + 1n }),
  ];
  const results = requests.map((request) => control.call(request, shape(request.byteLength)));
  results.forEach(expectOk);
  expect(results.at(-1)).toMatchObject({ flags: 1, fenceId: 2n ** 40n + 1n });
  expectShown(guest, 0, 24, 20, picture);
}

describe("layouts", () => {
  const shapes: [string, (requestBytes: number) => SubmitOptions][] = [
    ["one_descriptor_each", () => ({})],
    [
      "one_byte_a_descriptor",
      (bytes) => ({ requestPieces: pieces(bytes, 1), responsePieces: pieces(24, 1) }),
    ],
    ["header_cut_in_two", (bytes) => ({ requestPieces: [13, bytes - 13], responsePieces: [7, 17] })],
    ["header_apart_from_the_rest", (bytes) => ({ requestPieces: [24, bytes - 24] })],
    [
      "empty_descriptors_everywhere",
      (bytes) => ({
        requestPieces: [0, 5, 0, 0, bytes - 5, 0],
        responsePieces: [0, 20, 0, 4, 0],
      }),
    ],
    [
      "sixteen_pieces_for_the_answer",
      () => ({ responsePieces: [...Array.from({ length: 15 }, () => 1), 9] }),
    ],
  ];
  for (const [name, shape] of shapes) {
    test(name, () => withDevice({ queueSizes: [512, 16] }, (guest) => showWith(guest, shape)));

    test(`${name} in an indirect table`, () =>
      withDevice({ queueSizes: [2, 2] }, (guest) =>
        showWith(guest, (bytes) => ({ ...shape(bytes), indirect: true })),
      ));
  }

  test("ten thousand descriptors in one chain", () =>
    withDevice({ queueSizes: [16_384, 16] }, ({ control }) => {
      const request = commands.createResource2d(1, 1, 4, 4);
      const requestPieces = [...Array.from({ length: 10_000 }, () => 0), request.byteLength];
      expectOk(control.call(request, { requestPieces }));
    }));
});

describe("rings", () => {
  const rings: [string, GuestOptions][] = [
    ["two_descriptors", { queueSizes: [2, 2] }],
    ["without_event_idx", { eventIdx: false }],
    ["without_indirect", { indirect: false }],
    ["without_either", { eventIdx: false, indirect: false, queueSizes: [8, 8] }],
    ["of_32768_descriptors", { queueSizes: [32_768, 32_768] }],
    ["about_to_wrap", { ringBase: 65_530, queueSizes: [4, 4] }],
    ["without_event_idx_about_to_wrap", { ringBase: 65_535, eventIdx: false, queueSizes: [16, 2] }],
    ["of_crosvm", { frontend: "crosvm", display: null, queueSizes: [1024, 1024] }],
  ];
  for (const [name, options] of rings) {
    test(`a ring ${name} completes 3000 commands`, () =>
      withDevice(options, (guest) => {
        const { control, cursor } = guest;
        for (let at = 0; at < 3000; at++) {
          control.submit(at % 2 ? commands.unrefResource(1) : commands.createResource2d(1, 1, 4, 4), {
            hold: at % 7 !== 0,
          });
          if (at % 3 === 0) cursor.submit(commands.moveCursor({ scanoutId: 0, x: at, y: 0 }, 1));
        }
        control.commit();
        control.waitAll();
        cursor.waitAll();
        expectWorking(guest);
      }));
  }

  test("indexes wrap within one session", () =>
    withDevice({ queueSizes: [256, 16] }, (guest) => {
      const { control } = guest;
      for (let at = 0; at < 70_000; at++) control.submit(commands.unrefResource(9), { hold: at % 64 !== 0 });
      control.commit();
      control.waitAll();
      expectWorking(guest);
    }));

  test("an avail index that jumps signals the error descriptor", () =>
    withDevice({}, (guest) => {
      const { ring } = guest.control;
      let signalled = false;
      guest.pump.epoll.add(ring.errFd, 1, () => {
        signalled = true;
        guest.pump.epoll.remove(ring.errFd);
      });
      ring.raw.availIndex(ring.raw.publishedAvailIndex() + ring.size + 1);
      guest.pump.until(() => signalled, "the error descriptor");
      expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }));
    }));

  test("kicks without work are harmless", () =>
    withDevice({}, (guest) => {
      for (let at = 0; at < 1000; at++) guest.control.ring.kick();
      expectWorking(guest);
    }));

  // A queue size that changes under a running ring (qemu#3882).
  for (const size of [0, 128, 1024, 32_768, 65_536]) {
    test(`set vring num ${size} of a running ring ends the session or is survived`, async () => {
      await withConnection({}, (guest) => {
        guest.initialise();
        guest.start();
        guest.frontend.send(RequestType.SET_VRING_NUM, vringState(0, size));
        guest.pump.serve(30);
        if (!guest.frontend.closed) expectWorking(guest);
      });
      expectServing();
    });
  }
});

test("two hundred queued commands are dropped with the session that sent them", async () => {
  for (let round = 0; round < 5; round++) {
    await withDevice({ queueSizes: [1024, 16] }, (guest) => {
      const image = guest.gpu.createImage(1, 1, 512, 512);
      for (let at = 0; at < 200; at++) {
        guest.control.submit(commands.transferToHost2d(1, areaOf(image), 0), { hold: true });
      }
      guest.control.commit();
    });
  }
  expectServing();
});

test("a refused command between good ones changes none of them", () =>
  withDevice({}, ({ control }) => {
    const sent = Array.from({ length: 90 }, (_, at) =>
      control.submit(commands.createResource2d(at % 3 === 2 ? 0 : at + 1, 1, 4, 4), { hold: true }),
    );
    control.commit();
    control.waitAll();
    sent.forEach(({ result }, at) =>
      expectType(result, at % 3 === 2 ? Response.ERR_INVALID_RESOURCE_ID : Response.OK_NODATA),
    );
  }));

test("front-ends in quick succession each see their own picture", async () => {
  for (let round = 1; round <= 150; round++) {
    await withDevice({}, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 8, 8);
      image.pixels.fill(round);
      guest.gpu.show(0, image);
      expectShown(guest, 0, 8, 8, new Uint32Array(64).fill(round));
    });
  }
});
