// What drivers and VMMs begin and end: a reboot, a reset, another front-end, a pause, memory that is plugged in.

import * as commands from "../../driver/commands.ts";
import { areaOf } from "../../driver/gpu-driver.ts";
import { oneIn } from "../../fuzz/chance.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Phase } from "../phase.ts";
import { screenId, scribble } from "../stage.ts";

const plugged = { guestAddress: 0x10_0000_0000, size: 2 ** 20 };
const picture = { width: 256, height: 192 };
const pictureBytes = picture.width * picture.height * 4;

export const reboot: Phase = {
  name: "reboot",
  run: (stage) => {
    const { guest } = stage;
    if (oneIn(stage.chance, 2)) guest.frontend.resetDevice();
    else guest.stop();
    for (const queue of guest.queues) queue.reset(0);
    guest.start();
    const unref = guest.gpu.unrefResource(screenId);
    stage.answered(unref, "RESOURCE_UNREF after a reboot", Response.ERR_INVALID_RESOURCE_ID);
    stage.begin();
  },
};

/** Hangs up, at times with commands under way. */
export const newcomer: Phase = {
  name: "another front-end",
  run: (stage) => {
    if (oneIn(stage.chance, 2)) {
      const { control } = stage.guest;
      const { resourceId } = stage.screen;
      for (let left = 20; left > 0; left--) control.submit(flushOf(resourceId), { hold: true });
      control.commit();
    }
    stage.leave();
    stage.enter();
  },
};

const flushOf = (resourceId: number): DataView => commands.flushResource(resourceId, areaOf(picture));

export const pause: Phase = {
  name: "pause",
  run: (stage) => {
    stage.guest.stop();
    stage.guest.start();
    stage.expectScreen("the screen after a pause");
    stage.animate();
    stage.expectScreen();
  },
};

export const memory: Phase = {
  name: "memory",
  run: (stage) => {
    const { guest } = stage;
    const { gpu } = guest;
    const region = guest.hotAdd(plugged);
    const backing = guest.memory.allocateIn(region, pictureBytes);
    const id = stage.unused;
    scribble(backing.words, stage.chance);
    stage.ok(gpu.createResource2d(id, Format.B8G8R8X8, picture.width, picture.height), "RESOURCE_CREATE_2D");
    stage.ok(gpu.attachBacking(id, [backing]), "RESOURCE_ATTACH_BACKING");
    gpu.show(0, { resourceId: id, format: Format.B8G8R8X8, ...picture, backing, pixels: backing.words });
    stage.expectShown(backing.words, picture.width, "a picture in plugged memory");
    guest.hotRemove(region);
    const late = gpu.transferToHost2d(id, areaOf(picture));
    stage.answered(late, "a transfer from memory that was unplugged", Response.ERR_UNSPEC);
    stage.showScreen();
    stage.ok(gpu.unrefResource(id), "RESOURCE_UNREF");
    guest.memory.removeRegion(region);
  },
};
