// What no guest should send: mistakes with the answer that each earns, and the fuzzer's visitors in between.

import * as commands from "../../driver/commands.ts";
import { chanceOf, pick } from "../../fuzz/chance.ts";
import type { Attack, Target } from "../../fuzz/target.ts";
import { commandTarget } from "../../fuzz/targets/commands.ts";
import { rings } from "../../fuzz/targets/rings.ts";
import { streams } from "../../fuzz/targets/streams.ts";
import { vhostUser } from "../../fuzz/targets/vhost-user.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Phase } from "../phase.ts";
import { screenId, type Stage } from "../stage.ts";

const {
  ERR_INVALID_CONTEXT_ID,
  ERR_INVALID_PARAMETER,
  ERR_INVALID_RESOURCE_ID,
  ERR_INVALID_SCANOUT_ID,
  ERR_UNSPEC,
} = Response;
const area = { x: 0, y: 0, width: 8, height: 8 };
const outside = { x: 500, y: 380, width: 20, height: 20 };

export const mistakes: Phase = {
  name: "mistakes",
  run: (stage) => {
    const { gpu, control } = stage.guest;
    const id = stage.unused;
    const nothing = new Uint8Array(0);
    // Where no renderer has 3D, there are no such commands.
    const noContext = stage.has3d ? ERR_INVALID_CONTEXT_ID : ERR_UNSPEC;
    const tries: readonly (readonly [string, number, () => ReturnType<typeof gpu.unrefResource>])[] = [
      ["a resource 0", ERR_INVALID_RESOURCE_ID, () => gpu.createResource2d(0, Format.B8G8R8X8, 8, 8)],
      ["an id again", ERR_INVALID_RESOURCE_ID, () => gpu.createResource2d(screenId, Format.B8G8R8X8, 8, 8)],
      ["RESOURCE_UNREF of none", ERR_INVALID_RESOURCE_ID, () => gpu.unrefResource(id)],
      ["RESOURCE_FLUSH of none", ERR_INVALID_RESOURCE_ID, () => gpu.flushResource(id, area)],
      ["a flush of what is outside", ERR_INVALID_PARAMETER, () => gpu.flushResource(screenId, outside)],
      ["a transfer of what is outside", ERR_INVALID_PARAMETER, () => gpu.transferToHost2d(screenId, outside)],
      ["a transfer of none", ERR_INVALID_RESOURCE_ID, () => gpu.transferToHost2d(id, area)],
      ["a scanout of none", ERR_INVALID_RESOURCE_ID, () => gpu.setScanout(0, id, area)],
      ["a scanout 16", ERR_INVALID_SCANOUT_ID, () => gpu.setScanout(16, screenId, area)],
      ["backing again", ERR_UNSPEC, () => gpu.attachBacking(screenId, [stage.screen.backing])],
      ["a stream of no context", noContext, () => gpu.submit3d(id, nothing)],
      ["CTX_DESTROY of none", noContext, () => gpu.destroyContext(id)],
      ["an unknown command", ERR_UNSPEC, () => control.call(commands.request(0x7777))],
    ];
    for (let left = 40; left > 0; left--) {
      const [what, code, attempt] = pick(stage.chance, tries);
      stage.answered(attempt(), what, code);
    }
    stage.expectScreen();
  },
};

/** One of the fuzzer's doors, with so many inputs, while nobody else is there. What reaches a renderer may end it. */
const visit = (target: Target, inputs: number, more: Pick<Phase, "kills" | "is3d"> = {}): Phase => ({
  name: `visitors: ${target.name}`,
  ...more,
  run: async (stage) => {
    stage.leave();
    await attack(stage, target, inputs);
    stage.enter();
    await stage.untilAllAreBack();
    stage.expectScreen();
  },
});

async function attack({ server, chance }: Stage, target: Target, inputs: number): Promise<void> {
  const visitor: Attack = await target.begin({ server, directory: server.directory });
  try {
    for (let left = inputs; left > 0 && server.exitCode === null; left--)
      await visitor.input(chanceOf(chance(2 ** 32)));
  } finally {
    await visitor.end();
  }
}

export const visits: readonly Phase[] = [
  visit(vhostUser, 100),
  visit(rings, 300, { kills: "ctrl-queue" }),
  visit(commandTarget, 1_000),
  visit(streams, 30, { kills: "ctrl-queue", is3d: true }),
];
