// Fences of 3D commands: what the answer echoes, and the order of answers on every timeline (virtio 1.3 §5.7.6.7).

import { describe, expect, test } from "bun:test";
import type { Submission } from "../../lab/driver/command-queue.ts";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Capset, Feature, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { readEventfd } from "../support/fds.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";
import { bgra, clearTo, download, makeContext, makeTexture, patient, virglServer } from "./3d-support.ts";

const { withDevice } = serveTests(...virglServer);
const { ERR_INVALID_CONTEXT_ID, ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_UNSPEC } = Response;
const [FENCE, INFO_RING_IDX] = [1, 2];
const noOperation = Uint8Array.of(0, 0, 0, 0);
const withRings: GuestOptions = {
  ...patient,
  gpuFeatures: [Feature.EDID, Feature.VIRGL, Feature.CONTEXT_INIT],
};
const fenceIds = [0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n];

/** A stream that clears texture `resourceId` to a colour that says `turn`. */
function clearing(resourceId: number, turn: number): Uint8Array {
  const stream = new virgl.CommandStream();
  const texture = { resourceId, format: virgl.VirglFormat.B8G8R8A8_UNORM };
  clearTo(stream, texture, [turn & 255, turn >> 8, 0, 255]);
  return stream.bytes;
}

/** Waits for all of `submissions`, which are all that was sent since `first`; answers their order in the used ring. */
function orderOf({ control }: SyntheticGuest, submissions: readonly Submission[], first: number): number[] {
  const { ring } = control;
  control.waitAll();
  expect((ring.raw.usedIndex() - first) & 0xffff).toBe(submissions.length);
  return submissions.map((_, at) => {
    // A used element is a chain's head and a length; they begin behind flags and index.
    const head = ring.used.words[1 + 2 * ((first + at) % ring.size)]!;
    return submissions.findIndex((submission) => submission.head === head);
  });
}

describe("the answer", () => {
  for (const fenceId of fenceIds) {
    test(`echoes flag, context and id 0x${fenceId.toString(16)}`, () =>
      withDevice(patient, (guest) => {
        makeContext(guest, 9);
        const result = guest.gpu.submit3d(9, noOperation, { fenceId });
        expectOk(result);
        expect(result).toMatchObject({ flags: FENCE, fenceId, contextId: 9, ringIndex: 0 });
      }));

    test(`echoes a context's ring, too, with id 0x${fenceId.toString(16)}`, () =>
      withDevice(withRings, (guest) => {
        makeContext(guest, 9);
        const result = guest.gpu.submit3d(9, noOperation, { fenceId, ringIndex: 0 });
        expectOk(result);
        expect(result).toMatchObject({ flags: FENCE | INFO_RING_IDX, fenceId, contextId: 9, ringIndex: 0 });
      }));
  }

  for (const eventIdx of [false, true]) {
    test(`of a command that waits for the renderer is its one interrupt, EVENT_IDX ${eventIdx ? "on" : "off"}`, () =>
      withDevice({ ...patient, eventIdx }, (guest) => {
        const { ring } = guest.control;
        makeContext(guest);
        makeTexture(guest, 1, 256, 256);
        readEventfd(ring.callFd);
        for (let turn = 0; turn < 50; turn++) {
          // Before the answer can be there: a driver that finds it when it looks wants no interrupt for it.
          ring.enableCall();
          expectOk(guest.gpu.submit3d(1, clearing(1, turn), { fenceId: BigInt(turn) }));
        }
        expect(readEventfd(ring.callFd)).toBe(50);
      }));
  }

  test("of every 3D command echoes its fence", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      let fenceId = 2n ** 40n;
      const next = () => ({ fenceId: ++fenceId });
      const expectEcho = (result: { fenceId: bigint; flags: number }) =>
        expect(result).toMatchObject({ flags: FENCE, fenceId });
      const box = { x: 0, y: 0, z: 0, width: 8, height: 8, depth: 1 };
      const resource = { resourceId: 2, target: 2, format: 1, bind: 2, width: 8, height: 8 };
      makeContext(guest, 1);
      makeTexture(guest, 1, 8, 8);
      expectEcho(gpu.createContext(2, "", 0, next()));
      expectEcho(gpu.createResource3d(resource, next()));
      expectEcho(gpu.attachResource(1, 2, next()));
      expectEcho(gpu.transferToHost3d(1, 1, { box }, next()));
      expectEcho(gpu.transferFromHost3d(1, 1, { box }, next()));
      expectEcho(gpu.submit3d(1, noOperation, next()));
      expectEcho(gpu.detachResource(1, 2, next()));
      expectEcho(gpu.destroyContext(1, next()));
      expectEcho(gpu.unrefResource(1, next()));
    }));

  test("of a refused command echoes its fence", () =>
    withDevice(withRings, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      const fenceId = 2n ** 50n + 3n;
      const refused = [
        [gpu.createContext(1, "", 0, { fenceId }), ERR_INVALID_CONTEXT_ID],
        [gpu.attachResource(1, 77, { fenceId, ringIndex: 0 }), ERR_INVALID_RESOURCE_ID],
        [gpu.submit3d(5, noOperation, { fenceId }), ERR_INVALID_CONTEXT_ID],
        [gpu.submit3d(1, Uint8Array.of(200, 0, 0, 0), { fenceId, ringIndex: 0 }), ERR_INVALID_PARAMETER],
        // From here on the context is lost; its fences are still granted.
        [gpu.submit3d(1, noOperation, { fenceId, ringIndex: 0 }), ERR_UNSPEC],
        [gpu.submit3d(1, noOperation, { fenceId }), ERR_UNSPEC],
      ] as const;
      for (const [result, code] of refused) {
        expectType(result, code);
        expect(result.length).toBe(24);
        expect(result.flags & FENCE).toBe(FENCE);
        expect(result.fenceId).toBe(fenceId);
      }
    }));

  test("that is longer than a header is whole behind a fence that waits", () =>
    withDevice(patient, (guest) => {
      const { control, gpu } = guest;
      makeContext(guest);
      makeTexture(guest, 1, 256, 256);
      const { maxVersion, maxSize } = gpu.getCapsetInfo(1).capset;
      const plain = gpu.getCapset(Capset.VIRGL2, maxVersion, maxSize);
      const info = gpu.getCapsetInfo(1);
      for (let turn = 0; turn < 20; turn++) {
        control.submit(commands3d.submit3d(1, clearing(1, turn), { fenceId: 1n }), { hold: true });
        const request = commands.getCapset(Capset.VIRGL2, maxVersion, { fenceId: 2n });
        const capset = control.submit(request, { responseBytes: 24 + maxSize, hold: true });
        const second = control.submit(commands.getCapsetInfo(1, { fenceId: 3n }));
        expect(control.wait(capset)).toMatchObject({ type: plain.type, length: plain.length, fenceId: 2n });
        expect(capset.result.bytes.slice(24)).toEqual(plain.bytes.slice(24));
        expect(control.wait(second).bytes.slice(24)).toEqual(info.bytes.slice(24));
      }
    }));

  test("of a question to the display echoes its fence", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      guest.control.submit(commands3d.submit3d(1, noOperation, { fenceId: 1n }), { hold: true });
      const info = guest.gpu.getDisplayInfo({ fenceId: 2n, contextId: 1 });
      expect(info).toMatchObject({ type: Response.OK_DISPLAY_INFO, flags: FENCE, fenceId: 2n, contextId: 1 });
      const edid = guest.gpu.getEdid(0, { fenceId: 3n });
      expect(edid).toMatchObject({ type: Response.OK_EDID, flags: FENCE, fenceId: 3n });
    }));
});

describe("the global timeline", () => {
  test("keeps the order of 3D and 2D commands, refused ones among them", () =>
    withDevice(patient, (guest) => {
      const { control } = guest;
      for (const context of [1, 2, 3]) {
        makeContext(guest, context);
        makeTexture(guest, context, 128, 128, {}, [context]);
      }
      const first = control.ring.raw.usedIndex();
      const sent: Submission[] = [];
      for (let turn = 0; turn < 40; turn++) {
        const header = { fenceId: BigInt(turn) };
        const context = 1 + (turn % 3);
        const request = [
          () => commands3d.submit3d(context, clearing(context, turn), header),
          () => commands.createResource2d(100 + turn, 1, 4, 4, header),
          () => commands3d.submit3d(99, noOperation, header),
          () => commands.unrefResource(9999, header),
        ][turn % 4]!();
        sent.push(control.submit(request, { hold: true }));
      }
      control.commit();
      expect(orderOf(guest, sent, first)).toEqual(sent.map((_, at) => at));
      sent.forEach(({ result }, at) => expect(result.fenceId).toBe(BigInt(at)));
    }));

  test("has room for a thousand fences of eight contexts", () =>
    withDevice({ ...patient, queueSizes: [2048, 16], indirect: true }, (guest) => {
      const { control } = guest;
      const contexts = Array.from({ length: 8 }, (_, at) => at + 1);
      const textures = contexts.map((context) => {
        makeContext(guest, context);
        return makeTexture(guest, context, 16, 16, {}, [context]);
      });
      const first = control.ring.raw.usedIndex();
      const sent = Array.from({ length: 1000 }, (_, at) => {
        const context = 1 + (at % 8);
        const header = { fenceId: 2n ** 33n * BigInt(at) };
        const request = commands3d.submit3d(context, clearing(context, at), header);
        return control.submit(request, { indirect: true, hold: true });
      });
      control.commit();
      expect(orderOf(guest, sent, first)).toEqual(sent.map((_, at) => at));
      sent.forEach(({ result }, at) => {
        expectOk(result);
        expect(result).toMatchObject({
          flags: FENCE,
          fenceId: 2n ** 33n * BigInt(at),
          contextId: 1 + (at % 8),
        });
      });
      textures.forEach((texture, at) => {
        const turn = 992 + at;
        expect(download(guest, texture)).toEqual(new Uint32Array(256).fill(bgra(turn & 255, turn >> 8, 0)));
      });
    }));

  test("goes on when a context with fences under way is destroyed", () =>
    withDevice({ ...patient, queueSizes: [1024, 16] }, (guest) => {
      const { control } = guest;
      for (const context of [1, 2]) {
        makeContext(guest, context);
        makeTexture(guest, context, 256, 256, {}, [context]);
      }
      const first = control.ring.raw.usedIndex();
      const sent: Submission[] = [];
      const send = (request: DataView) => sent.push(control.submit(request, { hold: true }));
      for (let turn = 0; turn < 50; turn++) {
        const context = 1 + (turn % 2);
        send(commands3d.submit3d(context, clearing(context, turn), { fenceId: BigInt(turn) }));
      }
      send(commands3d.destroyContext(1, { fenceId: 50n }));
      send(commands3d.submit3d(1, noOperation, { fenceId: 51n }));
      send(commands3d.submit3d(2, noOperation, { fenceId: 52n }));
      control.commit();
      expect(orderOf(guest, sent, first)).toEqual(sent.map((_, at) => at));
      const types = sent.slice(49).map(({ result }) => result.type);
      expect(types).toEqual([
        Response.OK_NODATA,
        Response.OK_NODATA,
        ERR_INVALID_CONTEXT_ID,
        Response.OK_NODATA,
      ]);
    }));
});

describe("timelines of contexts", () => {
  test("each keep their own order", () =>
    withDevice({ ...withRings, queueSizes: [1024, 16] }, (guest) => {
      const { control } = guest;
      for (const context of [1, 2]) {
        makeContext(guest, context);
        makeTexture(guest, context, 128, 128, {}, [context]);
      }
      const first = control.ring.raw.usedIndex();
      const timelines = [{ contextId: 1, ringIndex: 0 }, { contextId: 2, ringIndex: 0 }, { contextId: 2 }];
      const sent = Array.from({ length: 150 }, (_, at) => {
        const { contextId, ...ring } = timelines[at % 3]!;
        const header = { fenceId: BigInt(at), ...ring };
        return control.submit(commands3d.submit3d(contextId, clearing(contextId, at), header), {
          hold: true,
        });
      });
      control.commit();
      const order = orderOf(guest, sent, first);
      for (const timeline of [0, 1, 2]) {
        const own = order.filter((at) => at % 3 === timeline);
        expect(own).toEqual(own.toSorted((a, b) => a - b));
      }
      sent.forEach(({ result }, at) => {
        expectOk(result);
        expect(result).toMatchObject({ fenceId: BigInt(at), contextId: timelines[at % 3]!.contextId });
        expect(result.flags).toBe(at % 3 === 2 ? FENCE : FENCE | INFO_RING_IDX);
      });
    }));

  // A virgl context has one ring.
  for (const ringIndex of [1, 2, 63]) {
    test(`ring ${ringIndex} of a virgl context returns ERR_UNSPEC with the echo`, () =>
      withDevice(withRings, (guest) => {
        makeContext(guest);
        const result = guest.gpu.submit3d(1, noOperation, { fenceId: 4n, ringIndex });
        expectType(result, ERR_UNSPEC);
        expect(result).toMatchObject({ flags: FENCE | INFO_RING_IDX, fenceId: 4n, contextId: 1, ringIndex });
        expectOk(guest.gpu.submit3d(1, noOperation, { fenceId: 5n, ringIndex: 0 }));
      }));
  }

  for (const ringIndex of [64, 65, 255]) {
    test(`ring ${ringIndex} returns ERR_INVALID_PARAMETER with the echo, and the command is not run`, () =>
      withDevice(withRings, ({ gpu }) => {
        expectOk(gpu.createContext(1));
        const result = gpu.destroyContext(1, { fenceId: 4n, ringIndex });
        expectType(result, ERR_INVALID_PARAMETER);
        expect(result).toMatchObject({ flags: FENCE | INFO_RING_IDX, fenceId: 4n, contextId: 1, ringIndex });
        expectOk(gpu.destroyContext(1));
      }));
  }

  test("a ring of a context that there is not returns ERR_INVALID_CONTEXT_ID", () =>
    withDevice(withRings, ({ gpu }) => {
      for (const contextId of [0, 7]) {
        const result = gpu.createResource2d(1, 1, 4, 4, { fenceId: 1n, ringIndex: 0, contextId });
        expectType(result, ERR_INVALID_CONTEXT_ID);
        expect(result).toMatchObject({ flags: FENCE | INFO_RING_IDX, fenceId: 1n, contextId });
      }
      expectOk(gpu.createResource2d(1, 1, 4, 4));
    }));

  test("a context's own destruction ends its ring with an answer", () =>
    withDevice(withRings, (guest) => {
      makeContext(guest);
      makeTexture(guest, 1, 256, 256);
      const header = { fenceId: 1n, ringIndex: 0 };
      const drawn = guest.control.submit(commands3d.submit3d(1, clearing(1, 1), header), { hold: true });
      const destroyed = guest.control.submit(commands3d.destroyContext(1, { fenceId: 2n, ringIndex: 0 }));
      guest.control.waitAll();
      expectOk(drawn.result);
      expectOk(destroyed.result);
      expect(destroyed.result.fenceId).toBe(2n);
    }));

  test("without CONTEXT_INIT a ring means nothing: the fence is the device's", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      for (const ringIndex of [0, 63, 64, 255]) {
        const result = guest.gpu.submit3d(1, noOperation, { fenceId: 6n, ringIndex });
        expectOk(result);
        expect(result.fenceId).toBe(6n);
        expect(result.flags & FENCE).toBe(FENCE);
      }
    }));
});

describe("guests that leave with work under way", () => {
  /** Two contexts, drawn to and fenced, without waiting for any answer. */
  function makeBusy(guest: SyntheticGuest): Submission[] {
    for (const context of [1, 2]) {
      makeContext(guest, context);
      makeTexture(guest, context, 256, 256, {}, [context]);
    }
    return Array.from({ length: 60 }, (_, turn) => {
      const context = 1 + (turn % 2);
      const request = commands3d.submit3d(context, clearing(context, turn), { fenceId: BigInt(turn) });
      return guest.control.submit(request);
    });
  }

  test("thirty guests in a row find an empty device", async () => {
    for (let turn = 0; turn < 30; turn++) {
      await withDevice(patient, (guest) => {
        makeBusy(guest);
        if (turn % 10 === 0) expectWorking(guest);
      });
    }
  });

  test("a ring that is stopped has answered all that it took, and goes on with contexts and resources", () =>
    withDevice(patient, (guest) => {
      const { ring } = guest.control;
      const sent = makeBusy(guest);
      const first = (ring.raw.publishedAvailIndex() - sent.length) & 0xffff;
      guest.stop();
      const taken = (ring.base - first) & 0xffff;
      expect(sent.map(({ done }) => done)).toEqual(sent.map((_, at) => at < taken));
      for (const { result } of sent.slice(0, taken)) expectOk(result);
      guest.start();
      const texture = { resourceId: 2, format: virgl.VirglFormat.B8G8R8A8_UNORM };
      const stream = new virgl.CommandStream();
      clearTo(stream, texture, [1, 2, 3, 4]);
      expectOk(guest.gpu.submit3d(2, stream.bytes, { fenceId: 1n }));
      expectType(guest.gpu.createContext(1), ERR_INVALID_CONTEXT_ID);
      expectOk(guest.gpu.destroyContext(1));
    }));

  test("a driver that starts anew, ten times, finds its ids free", () =>
    withDevice(patient, (guest) => {
      for (let turn = 0; turn < 10; turn++) {
        makeBusy(guest);
        guest.stop();
        guest.queues.forEach((queue) => queue.reset(0));
        guest.start();
      }
      makeBusy(guest);
      guest.control.waitAll();
      expectWorking(guest);
    }));

  test("RESET_DEVICE forgets contexts and fences", () =>
    withDevice(patient, (guest) => {
      makeBusy(guest);
      guest.frontend.resetDevice();
      guest.queues.forEach((queue) => queue.reset(0));
      guest.start();
      for (const submission of makeBusy(guest)) expectOk(guest.control.wait(submission));
    }));
});
