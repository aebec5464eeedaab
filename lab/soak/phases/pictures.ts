// What guests draw in 2D: an animation, blobs, pointers, and resources that come and go.

import * as commands from "../../driver/commands.ts";
import { areaOf } from "../../driver/gpu-driver.ts";
import { pick } from "../../fuzz/chance.ts";
import { BlobMem, Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Phase } from "../phase.ts";
import { scribble, Wrong } from "../stage.ts";

const framesMax = 60;
const blob = { width: 320, height: 200 };
const blobBytes = blob.width * blob.height * 4;
const pointer = { width: 64, height: 64 };
const batch = 60;
const { B8G8R8X8, B8G8R8A8 } = Format;

export const animation: Phase = {
  name: "animation",
  run: (stage) => {
    for (let left = 10 + stage.chance(framesMax); left > 0; left--) {
      stage.animate();
      stage.expectScreen();
    }
  },
};

/** A guest's own pages, shown without a transfer. */
export const blobs: Phase = {
  name: "blobs",
  run: (stage) => {
    const { gpu } = stage.guest;
    const pages = stage.buffer("blob", blobBytes);
    const id = stage.unused;
    const layout = { ...blob, format: B8G8R8X8, strides: [blob.width * 4] };
    stage.ok(gpu.createBlob({ resourceId: id, mem: BlobMem.GUEST, size: blobBytes }, [pages]), "CREATE_BLOB");
    stage.ok(gpu.setScanoutBlob(0, id, areaOf(blob), layout), "SET_SCANOUT_BLOB");
    for (let left = 1 + stage.chance(10); left > 0; left--) {
      scribble(pages.words, stage.chance);
      stage.ok(gpu.flushResource(id, areaOf(blob)), "RESOURCE_FLUSH");
      stage.expectShown(pages.words, blob.width, "a blob");
    }
    stage.showScreen();
    stage.ok(gpu.unrefResource(id), "RESOURCE_UNREF");
  },
};

export const pointers: Phase = {
  name: "pointers",
  run: (stage) => {
    const { guest, chance } = stage;
    const { gpu, pump } = guest;
    const backing = stage.buffer("pointer", 64 * 64 * 4);
    const id = stage.unused;
    stage.ok(gpu.createResource2d(id, B8G8R8A8, 64, 64), "RESOURCE_CREATE_2D");
    stage.ok(gpu.attachBacking(id, [backing]), "RESOURCE_ATTACH_BACKING");
    scribble(backing.words, chance);
    const image = backing.words.slice();
    stage.ok(gpu.transferToHost2d(id, areaOf(pointer)), "TRANSFER_TO_HOST_2D");
    const place = { scanoutId: 0, x: chance(500), y: chance(380) };
    stage.ok(gpu.updateCursor(place, id, 3, 4), "UPDATE_CURSOR");
    for (let left = chance(30); left > 0; left--) {
      [place.x, place.y] = [chance(500), chance(380)];
      stage.ok(gpu.moveCursor(place), "MOVE_CURSOR");
    }
    const isThere = (): boolean => {
      const shown = guest.display!.cursors[0]!;
      const isPlaced = shown.visible && shown.x === place.x && shown.y === place.y && shown.hotX === 3;
      return isPlaced && shown.pixels.every((pixel, at) => pixel === image[at]);
    };
    pump.until(isThere, "the pointer's image where it was moved to");
    stage.frames++;
    stage.ok(gpu.updateCursor(place, 0), "UPDATE_CURSOR of none");
    pump.until(() => !guest.display!.cursors[0]!.visible, "the pointer being hidden");
    stage.ok(gpu.unrefResource(id), "RESOURCE_UNREF");
  },
};

/** Many at once, in every format; their ids are taken while they are there, and free when they are gone. */
export const comings: Phase = {
  name: "comings and goings",
  run: (stage) => {
    const { gpu, control } = stage.guest;
    const ids = Array.from({ length: batch }, () => stage.unused);
    const formats = Object.values(Format);
    const [width, height] = [1 + stage.chance(200), 1 + stage.chance(200)];
    const make = ids.map((id) => commands.createResource2d(id, pick(stage.chance, formats), width, height));
    for (const [requests, type] of [
      [make, Response.OK_NODATA],
      [make, Response.ERR_INVALID_RESOURCE_ID],
      [ids.map((id) => commands.unrefResource(id)), Response.OK_NODATA],
      [ids.map((id) => commands.unrefResource(id)), Response.ERR_INVALID_RESOURCE_ID],
    ] as const) {
      const sent = requests.map((request) => control.submit(request, { hold: true }));
      control.commit();
      control.waitAll();
      for (const { result } of sent) stage.answered(result, "one of many", type);
    }
    const id = ids[0]!;
    stage.ok(gpu.createResource2d(id, B8G8R8X8, 8, 8), "RESOURCE_CREATE_2D");
    const { uuid } = gpu.assignUuid(id);
    if (uuid === "" || gpu.assignUuid(id).uuid !== uuid) throw new Wrong("a resource has not one UUID");
    stage.ok(gpu.unrefResource(id), "RESOURCE_UNREF");
  },
};
