// What a server chooses by itself in a guest with more than one DRM device: never vgem's (`bun run test:guest`).

import { expect, test } from "bun:test";
import { release } from "node:os";
import { chooseTier } from "../../src/actors/gpu/pixels/storage/probe.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { DrmNode, renderNodes } from "../../src/transport/os/drm-node.ts";
import { parseCommandLine } from "../../src/config.ts";
import { keptLog } from "../support/storage.ts";

const virtioGpu = "/dev/dri/renderD128";
const vgem = "/dev/dri/renderD129";
/** Where the guest's GPU is QEMU's own, it has no 3D, and so no buffers for gbm. */
const renders = release().startsWith("6.12.");

function choose(...flags: string[]): { kind: string; lines: string[] } {
  const request = parseCommandLine(flags, {});
  if (request.kind !== "serve") throw new Error("no settings");
  const { log, lines } = keptLog();
  const tier = chooseTier(request.config, log);
  tier.close();
  return { kind: tier.kind, lines };
}

test("the guest has both, and the kernel names their drivers", () => {
  expect(renderNodes()).toEqual([virtioGpu, vgem]);
  const drivers = [virtioGpu, vgem].map((path) => {
    const node = DrmNode.open(path);
    node.close();
    return { driver: node.driver, isPassedOver: node.isPassedOver };
  });
  expect(drivers).toEqual([
    { driver: "virtio_gpu", isPassedOver: false },
    { driver: "vgem", isPassedOver: true },
  ]);
});

test("storage is gbm where the GPU renders, and passes over vgem elsewhere", () => {
  const { kind, lines } = choose();
  if (renders) {
    expect(kind).toBe("gbm");
    expect(lines).toEqual([`info 2D resources are kept in gbm buffers of ${virtioGpu} (virtio_gpu)`]);
  } else {
    expect(kind).toBe("memfd");
    expect(lines[0]).toStartWith("debug no gbm storage: ");
    expect(lines[0]).toContain(`${vgem} is one of vgem`);
    expect(lines.at(-1)).toBe("info 2D resources are kept in memfds");
    expect(lines.filter((line) => line.startsWith("warning"))).toEqual([]);
  }
});

test("vgem's render node, which makes no buffers, is said to be of no use where it is asked for", () => {
  expect(() => choose("--storage", "gbm", "--render-node", vgem)).toThrow("--storage gbm cannot be had: ");
});

test("the renderer and storage of a server are never vgem's", async () => {
  const env = { FENCEPOST_STORAGE: "auto", FENCEPOST_RENDERER: "virgl" };
  const { FENCEPOST_RENDER_NODE } = process.env;
  delete process.env["FENCEPOST_RENDER_NODE"];
  const server = await ServerProcess.start({ env });
  if (FENCEPOST_RENDER_NODE !== undefined) process.env["FENCEPOST_RENDER_NODE"] = FENCEPOST_RENDER_NODE;
  try {
    const { renderer, storage } = await server.control({ command: "status" });
    expect((renderer as { node: string | null }).node).toBe(virtioGpu);
    expect((storage as { kind: string }).kind).toBe(renders ? "gbm" : "memfd");
  } finally {
    expect(await server.stop()).toBe(0);
  }
});
