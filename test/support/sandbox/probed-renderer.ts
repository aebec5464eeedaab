// A process as one that runs guests' commands has to be, with libvirglrenderer: it draws inside of its sandbox, and then tries what nobody
// may there. Prints what came of both.

import { Backing } from "../../../src/actors/gpu/renderer/backing.ts";
import { Target } from "../../../src/actors/gpu/renderer/transfer.ts";
import { startVirgl } from "../../../src/actors/gpu/renderer/virgl/start.ts";
import { Request } from "../../../src/actors/queue/request.ts";
import { Sandbox } from "../../../src/actors/sandbox/sandbox.ts";
import { begun } from "../../../src/cli/begin.ts";
import { parseCommandLine } from "../../../src/config.ts";
import { MemoryMap } from "../../../src/transport/virtio/memory-map.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { GuestMemory } from "../../../lab/driver/guest-memory.ts";
import * as virgl from "../../../lab/driver/virgl/index.ts";
import { bindPipeline } from "../../device/3d-pipeline.ts";
import { tableOf } from "../guest-map.ts";
import { tryAll } from "./attempts.ts";

const invocation = parseCommandLine(["--sandbox", "on", "--renderer", "virgl"], {}, begun.directory);
if (invocation.kind !== "serve") throw new Error("no settings");
const sandbox = Sandbox.enter("renderer", invocation.config, { ...begun, descriptors: [], files: [] });

const [width, height] = [32, 32];
const request = new Request(65_536);
const guest = new GuestMemory([{ guestAddress: 0, size: 2 ** 20 }]);
const memory = new MemoryMap();
memory.replace(tableOf(guest.regions));
const { renderer } = startVirgl({
  arena: request.arena,
  venus: null,
  renderNode: undefined,
  verbose: false,
  backingPiecesMax: 1000,
  limits: { subContexts: 4, objects: 100, glContexts: 20, totalObjects: 300, objectBytes: 65_536 },
});
const { said, refusal } = sandbox.close(false);
if (refusal !== null) throw new Error(refusal);

const vertices = new Float32Array(
  [
    [-1, -1],
    [3, -1],
    [-1, 3],
  ].flatMap(([x, y]) => [x!, y!, 0, 1, 1, 0, 0, 1]),
);
const { R8_UNORM } = virgl.VirglFormat;
const bind = virgl.Bind.RENDER_TARGET | virgl.Bind.SAMPLER_VIEW;
done(renderer.createContext(1, 0, 0, 4));
done(renderer.createResource(1, [Target.TEXTURE_2D, Format.B8G8R8A8, bind, width, height, 1, 1, 0, 0, 0]));
const size = vertices.byteLength;
done(
  renderer.createResource(50, [Target.BUFFER, R8_UNORM, virgl.Bind.VERTEX_BUFFER, size, 1, 1, 1, 0, 0, 0]),
);
for (const resource of [1, 50]) renderer.attachResource(1, resource);
const pixels = backed(1, width * height * 4);
backed(50, size).set(new Uint32Array(vertices.buffer));
done(renderer.transfer("to-host", 50, 1, box(size, 1)));

const stream = new virgl.CommandStream();
bindPipeline(stream, { resourceId: 1, format: Format.B8G8R8A8, width, height });
virgl.drawVbo(stream, { mode: virgl.Primitive.TRIANGLES, count: 3 });
new Uint8Array(request.words.buffer, request.words.byteOffset).set(stream.bytes);
done(renderer.submit(1, 0, stream.bytes.length));
done(renderer.transfer("from-host", 1, 1, box(width, height)));

const outside = process.env["PROBE_OUTSIDE"]!;
const colours = [...new Set(pixels)].map((one) => one.toString(16));
console.log(JSON.stringify({ said, colours, attempts: tryAll(outside) }));
process.exit(0);

function done(code: number): void {
  if (code !== 0) throw new Error(`the renderer answers ${code}`);
}

function backed(resource: number, bytes: number): Uint32Array {
  const area = guest.allocate(Math.max(bytes, 4096), 4096);
  const words = Uint32Array.of(area.address, 0, area.length, 0);
  done(renderer.attachBacking(resource, Backing.read(memory, words, 0, 1)!));
  return area.words;
}

function box(w: number, h: number) {
  return { words: [0, 0, 0, w, h, 1], at: 0, level: 0, stride: 0, layerStride: 0, offset: 0 };
}
