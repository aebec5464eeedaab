// Guests that draw what chance says, by each way on which pixels get to the host.

import * as commands from "../../lab/driver/commands.ts";
import type { Rectangle } from "../../lab/driver/commands.ts";
import type { GuestBuffer } from "../../lab/driver/guest-memory.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { Chance } from "../../lab/fuzz/chance.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { bindPipeline, vertexBuffer, type Vertex } from "../device/3d-pipeline.ts";
import { expectOk } from "../device/support.ts";

const size = { width: 97, height: 61 };
const stride = size.width * 4;
const { B8G8R8A8_UNORM, B8G8R8X8_UNORM } = virgl.VirglFormat;

function partOf(chance: Chance, { width, height }: { width: number; height: number } = size): Rectangle {
  const [x, y] = [chance(width), chance(height)];
  return { x, y, width: 1 + chance(width - x), height: 1 + chance(height - y) };
}

const offsetOf = ({ x, y }: Rectangle): number => y * stride + x * 4;

function scribble(buffer: GuestBuffer, chance: Chance): void {
  const [from, step] = [chance(2 ** 31), 1 + chance(2 ** 20)];
  const { words } = buffer;
  for (let index = 0; index < words.length; index++) words[index] = from + index * step;
}

/** Pictures in every format on two scanouts, with pointers; some commands in flight at once, some refused. */
export function draw2d(guest: SyntheticGuest, chance: Chance, steps: number): void {
  const { gpu, control, cursor } = guest;
  const formats = Object.values(Format);
  const images = [1, 2, 3].map((id) =>
    gpu.createImage(id, formats[chance(formats.length)]!, size.width, size.height),
  );
  const pointer = gpu.createImage(9, Format.B8G8R8A8, 64, 64);
  gpu.show(0, images[0]!);
  const actions = [
    () => {
      const { resourceId, backing } = images[chance(3)]!;
      scribble(backing, chance);
      const rect = partOf(chance);
      control.submit(commands.transferToHost2d(resourceId, rect, offsetOf(rect)), { hold: true });
      control.submit(commands.flushResource(resourceId, rect, { fenceId: BigInt(chance(1000)) }));
      // Only then the memory is the guest's again.
      control.waitAll();
    },
    () => expectOk(gpu.setScanout(0, 1 + chance(3), partOf(chance))),
    () => expectOk(gpu.flushResource(1 + chance(3), partOf(chance))),
    () => gpu.transferToHost2d(1 + chance(4), partOf(chance), chance(stride)),
    () => gpu.setScanout(chance(20), chance(5), { ...partOf(chance), x: chance(80) }),
    () => {
      scribble(pointer.backing, chance);
      expectOk(gpu.transferToHost2d(9, areaOf(pointer)));
      const place = { scanoutId: 0, x: chance(90), y: chance(60) };
      expectOk(gpu.updateCursor(place, 9, chance(64), chance(64)));
    },
    () => void cursor.call(commands.moveCursor({ scanoutId: 0, x: chance(90), y: chance(60) }, 9)),
    () => {
      const at = chance(3);
      expectOk(gpu.unrefResource(at + 1));
      images[at] = gpu.createImage(at + 1, formats[chance(formats.length)]!, size.width, size.height);
    },
  ];
  for (let step = 0; step < steps; step++) actions[chance(actions.length)]!();
}

/** Clears, draws, copies and blits of three textures, of which pixels come by transfers, in streams and inline. */
export function draw3d(guest: SyntheticGuest, chance: Chance, steps: number): void {
  const { gpu, memory } = guest;
  expectOk(gpu.createContext(1, "chance"));
  const bind = virgl.Bind.RENDER_TARGET | virgl.Bind.SAMPLER_VIEW;
  const target = virgl.Target.TEXTURE_2D;
  const textures = [B8G8R8A8_UNORM, B8G8R8X8_UNORM, B8G8R8A8_UNORM].map((format, index) => {
    const resourceId = index + 1;
    expectOk(gpu.createResource3d({ resourceId, target, format, bind, ...size }));
    const backing = memory.allocate(size.height * stride);
    expectOk(gpu.attachBacking(resourceId, [backing]));
    expectOk(gpu.attachResource(1, resourceId));
    return { resourceId, format, backing };
  });
  // A picture of 2D, which moves into the renderer.
  const plain = gpu.createImage(4, Format.B8G8R8X8, size.width, size.height);
  scribble(plain.backing, chance);
  gpu.present(plain);
  expectOk(gpu.attachResource(1, 4));
  let isFenced = false;
  const stream = (write: (into: virgl.CommandStream) => void): void => {
    const into = new virgl.CommandStream();
    write(into);
    isFenced = !isFenced;
    expectOk(gpu.submit3d(1, into.bytes, isFenced ? { fenceId: BigInt(chance(1000)) } : {}));
  };
  const boxOf = (rect: Rectangle) => ({ ...rect, z: 0, depth: 1 });
  const any = () => textures[chance(3)]!;
  const colour = (): [number, number, number, number] => [
    chance(256) / 255,
    chance(256) / 255,
    chance(256) / 255,
    chance(256) / 255,
  ];
  const actions = [
    () =>
      stream((into) => {
        virgl.createSurface(into, 100, any());
        virgl.setFramebufferState(into, [100]);
        virgl.clear(into, virgl.ClearBuffers.COLOR0, colour());
        virgl.destroyObject(into, virgl.ObjectType.SURFACE, 100);
      }),
    () => {
      const texture = any();
      scribble(texture.backing, chance);
      const rect = partOf(chance);
      const box = boxOf(rect);
      expectOk(gpu.transferToHost3d(1, texture.resourceId, { box, offset: offsetOf(rect), stride }));
    },
    () => {
      const texture = any();
      scribble(texture.backing, chance);
      const rect = partOf(chance);
      const box = boxOf(rect);
      stream((into) =>
        virgl.transfer3d(into, "to-host", {
          resourceId: texture.resourceId,
          box,
          offset: offsetOf(rect),
          stride,
        }),
      );
    },
    () => {
      scribble(plain.backing, chance);
      const rect = partOf(chance);
      expectOk(gpu.transferToHost2d(4, rect, offsetOf(rect)));
      expectOk(gpu.flushResource(4, rect));
    },
    () => {
      const rect = partOf(chance, { width: 20, height: 20 });
      const data = new Uint32Array(rect.width * rect.height).map(() => chance(2 ** 32));
      stream((into) =>
        virgl.resourceInlineWrite(
          into,
          { resourceId: any().resourceId, box: boxOf(rect), stride: rect.width * 4 },
          new Uint8Array(data.buffer),
        ),
      );
    },
    () => {
      const rect = partOf(chance, { width: 40, height: 30 });
      const to = { resourceId: any().resourceId, x: chance(50), y: chance(30) };
      stream((into) => virgl.resourceCopyRegion(into, to, { resourceId: 4, box: boxOf(rect) }));
    },
    () => {
      const side = () => {
        const { resourceId, format } = any();
        return { resourceId, format, box: boxOf(partOf(chance)) };
      };
      stream((into) => virgl.blit(into, side(), side()));
    },
    () => {
      const texture = any();
      expectOk(gpu.transferFromHost3d(1, texture.resourceId, { box: boxOf(areaOf(size)), stride }));
    },
    () => {
      const { resourceId } = any();
      expectOk(gpu.setScanout(0, resourceId, areaOf(size)));
      expectOk(gpu.flushResource(resourceId, areaOf(size)));
    },
    () => expectOk(gpu.flushResource(any().resourceId, partOf(chance))),
    () => expectOk(gpu.setScanout(0, chance(2) === 0 ? 4 : any().resourceId, areaOf(size))),
    () => stream((into) => triangles(into, chance, { ...any(), ...size })),
  ];
  vertexBuffer(guest, 50, verticesOf(chance));
  for (let step = 0; step < steps; step++) actions[chance(actions.length)]!();
  for (const { resourceId } of textures) {
    expectOk(gpu.setScanout(0, resourceId, areaOf(size)));
    expectOk(gpu.flushResource(resourceId, areaOf(size)));
  }
}

const vertices = 12;

function verticesOf(chance: Chance): Vertex[] {
  const coordinate = (): number => chance(4000) / 1000 - 2;
  return Array.from({ length: vertices }, () => [
    [coordinate(), coordinate(), chance(1000) / 1000, 1],
    [chance(256) / 255, chance(256) / 255, chance(256) / 255, chance(256) / 255],
  ]);
}

/** Draws a few from vertices that come inline, over what is there. */
function triangles(
  into: virgl.CommandStream,
  chance: Chance,
  texture: { resourceId: number; format: number; width: number; height: number },
): void {
  const floats = Float32Array.from(verticesOf(chance).flat(2));
  const data = new Uint8Array(floats.buffer);
  const box = { x: 0, y: 0, z: 0, width: data.length, height: 1, depth: 1 };
  virgl.resourceInlineWrite(into, { resourceId: 50, box }, data);
  bindPipeline(into, texture);
  virgl.drawVbo(into, { mode: virgl.Primitive.TRIANGLES, count: vertices });
  const { SURFACE, BLEND, RASTERIZER, DSA, VERTEX_ELEMENTS, SHADER } = virgl.ObjectType;
  [SURFACE, BLEND, RASTERIZER, DSA, VERTEX_ELEMENTS, SHADER, SHADER].forEach((type, index) =>
    virgl.destroyObject(into, type, index + 1),
  );
}
