// Who dies: the child, by several signals, at rest, amid an animation, with commands under way and with contexts;
// and every other actor that another one can take the place of.

import * as commands from "../../driver/commands.ts";
import { areaOf } from "../../driver/gpu-driver.ts";
import { pick } from "../../fuzz/chance.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Phase } from "../phase.ts";
import type { Stage } from "../stage.ts";
import { Studio } from "./drawing.ts";
import { newcomer, pause, reboot } from "./starts.ts";

const signals = ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGBUS"] as const;
const batch = 60;
const child = "ctrl-queue";

/** Ends the child, does `meanwhile`, and waits for its successor. */
async function die(stage: Stage, meanwhile: () => void): Promise<void> {
  const before = stage.obituary.returnsOf(child);
  process.kill(stage.server.ctrlQueuePid, pick(stage.chance, signals));
  meanwhile();
  await stage.until("another child has taken over", () => stage.obituary.returnsOf(child) > before);
}

export const atRest: Phase = {
  name: "death at rest",
  kills: child,
  run: async (stage) => {
    await die(stage, () => {});
    stage.expectScreen("the screen after a death");
    stage.animate();
    stage.expectScreen("the screen that a successor draws");
  },
};

export const amidFrames: Phase = {
  name: "death amid frames",
  kills: child,
  run: async (stage) => {
    stage.animate();
    await die(stage, () => {
      for (let frame = 0; frame < 10; frame++) stage.animate();
    });
    stage.expectScreen("the screen that a death came amid");
  },
};

/** Each is answered once; one at most is not run. */
export const amidCommands: Phase = {
  name: "death amid commands",
  kills: child,
  run: async (stage) => {
    const { control, gpu } = stage.guest;
    const ids = Array.from({ length: batch }, () => stage.unused);
    const sent = ids.map((id) =>
      control.submit(commands.createResource2d(id, Format.B8G8R8X8, 8, 8), { hold: true }),
    );
    control.commit();
    await die(stage, () => control.waitAll());
    const { OK_NODATA, ERR_UNSPEC, ERR_INVALID_RESOURCE_ID } = Response;
    let guilty = 0;
    for (const [at, { result }] of sent.entries()) {
      const isGuilty = result.type === ERR_UNSPEC && guilty++ === 0;
      const gone = gpu.unrefResource(ids[at]!);
      stage.answered(result, "a command under way", isGuilty ? ERR_UNSPEC : OK_NODATA);
      // What it died of may have been made or not.
      stage.answered(
        gone,
        "RESOURCE_UNREF after a death",
        OK_NODATA,
        ...(isGuilty ? [ERR_INVALID_RESOURCE_ID] : []),
      );
    }
    stage.expectScreen();
  },
};

/** Memory that the VMM takes away for a moment, with the rings in it, as QEMU does to put a larger region in its place. */
function replaceMemory({ guest: { frontend, memory } }: Stage): void {
  const [region] = memory.regions;
  frontend.remMemReg(region!);
  frontend.addMemReg(region!);
}

/** What a VMM and a driver do that know nothing of a death. */
export const amidTakeover: Phase = {
  name: "death, and what a VMM does meanwhile",
  kills: child,
  run: async (stage) => {
    const meanwhile = pick(stage.chance, [reboot.run, pause.run, newcomer.run, replaceMemory]);
    await die(stage, () => void meanwhile(stage));
    stage.expectScreen("the screen that a takeover came amid");
    stage.animate();
    stage.expectScreen("the screen that a successor draws");
  },
};

/** The child stands still for a while, as a debugger or a freezer has it, and nobody dies of that. */
export const suspension: Phase = {
  name: "suspension",
  run: (stage) => {
    const pid = stage.server.ctrlQueuePid;
    for (let round = 0; round < 5; round++) {
      process.kill(pid, "SIGSTOP");
      const { control } = stage.guest;
      const moved = control.submit(commands.flushResource(stage.screen.resourceId, areaOf(stage.screen)));
      process.kill(pid, "SIGCONT");
      stage.ok(control.wait(moved), "RESOURCE_FLUSH of somebody suspended");
    }
    stage.animate();
    stage.expectScreen("the screen after a suspension");
  },
};

export const withContexts: Phase = {
  name: "death with contexts",
  kills: child,
  is3d: true,
  run: async (stage) => {
    const lost = new Studio(stage);
    lost.upload();
    await die(stage, () => {});
    const { gpu } = stage.guest;
    stage.answered(
      gpu.submit3d(lost.context, new Uint8Array(0)),
      "a lost context's stream",
      Response.ERR_UNSPEC,
    );
    lost.leave();
    const next = new Studio(stage);
    next.expect(0, next.upload());
    next.leave();
    stage.expectScreen();
  },
};

/** Actors besides the ctrl queue that may be killed without harm to the guest. */
const replaceable = ["display", "cursor-queue", "fence-poller", "resource-bridge", "inspector"];

export const throws: readonly Phase[] = [...replaceable, child].map((actor) => ({
  name: `kill of ${actor}`,
  kills: actor,
  run: async (stage) => {
    const { actors } = await stage.control({ command: "status" });
    if (!Object.hasOwn(actors as object, actor)) return;
    const before = stage.obituary.returnsOf(actor);
    for (let frame = 0; frame < 5; frame++) stage.animate();
    await stage.control({ command: "kill", actor });
    for (let frame = 0; frame < 5; frame++) stage.animate();
    await stage.until(`there is another ${actor}`, () => stage.obituary.returnsOf(actor) > before);
    stage.expectScreen(`the screen after the death of ${actor}`);
    stage.ok(stage.guest.gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }), "MOVE_CURSOR");
  },
}));
