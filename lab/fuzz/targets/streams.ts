// Command streams in virglrenderer's grammar: what a driver would write, with a few words wrong, and what none would.

import * as commands3d from "../../driver/commands-3d.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import * as virgl from "../../driver/virgl/index.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { areaOf, expectOk, type Image } from "../../driver/gpu-driver.ts";
import { firstDifference } from "../sane-guest.ts";
import { type Chance, mutated, oneIn } from "../chance.ts";
import { buffers, resources, writeStream } from "../stream-grammar.ts";
import { StreamsUnderWay } from "../streams-under-way.ts";
import { type Attack, patienceMs, type Target } from "../target.ts";
import { untilAnswered } from "../waiting.ts";

const contexts = 8;
/** Streams that are under way at a time, of contexts in turn. */
const inFlight = 16;

export const streams: Target = {
  name: "streams",
  about: "a command stream for virglrenderer",
  batch: 1_000,
  recordable: true,
  reachesRenderer: true,
  flags: () => ["--renderer", "virgl", "--isolation", "process", "--vulkan", "off", "--stall-ms", "2000"],
  begin: ({ server }) => new StreamAttack(server.socketPath),
};

class StreamAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly stream = new virgl.CommandStream(4096);
  private readonly underWay = new StreamsUnderWay(inFlight);
  private next = 0;
  /** Contexts so far: a name that has died too often gets no more. */
  private made = 0;
  /** What is shown all the while, and outlives the renderer. */
  private readonly shown: Image;

  constructor(socketPath: string) {
    this.guest = SyntheticGuest.boot(socketPath, { patienceMs });
    const { control, gpu, memory } = this.guest;
    this.shown = gpu.createImage(100, Format.B8G8R8X8, 64, 32);
    this.shown.pixels.forEach((_, at) => (this.shown.pixels[at] = at * 0x10305));
    gpu.show(0, this.shown);
    for (const resource of resources) {
      control.submit(commands3d.createResource3d(resource));
      const bytes =
        resource.width * (resource.height ?? 1) * (resource.target === virgl.Target.BUFFER ? 1 : 4);
      this.guest.gpu.attachBacking(resource.resourceId, [memory.allocate(bytes)]);
    }
    for (let context = 1; context <= contexts; context++) this.make(context);
    untilAnswered(this.guest);
  }

  input(chance: Chance): void {
    const context = 1 + (this.next++ % contexts);
    writeStream(this.stream.reset(), chance);
    const plain = this.stream.bytes;
    const bytes = oneIn(chance, 3) ? mutated(chance, plain, 2 ** 16) : plain;
    const submission = this.guest.control.submit(commands3d.submit3d(context, bytes), { hold: true });
    this.underWay.add(context, submission);
    if (this.underWay.areMany) this.settle();
  }

  end(): void {
    try {
      this.settle();
      this.look();
    } finally {
      this.guest.close();
    }
  }

  /** A picture of 2D is what it was, and is shown where it is. */
  private look(): void {
    const { gpu, display, pump } = this.guest;
    expectOk(gpu.flushResource(this.shown.resourceId, areaOf(this.shown)), "RESOURCE_FLUSH");
    const { pixels } = this.shown;
    const isRight = (): boolean =>
      firstDifference(display!.framebuffer(0)?.pixels ?? null, pixels) === pixels.length;
    pump.until(isRight, "the picture that was there all the while");
  }

  /** Waits, and makes those contexts anew that were lost. */
  private settle(): void {
    untilAnswered(this.guest);
    for (const context of this.underWay.lost()) {
      this.guest.control.submit(commands3d.destroyContext(context), { hold: true });
      this.make(context);
    }
  }

  private make(context: number): void {
    const { control } = this.guest;
    control.submit(commands3d.createContext(context, `fuzz-${this.made++}`), { hold: true });
    for (const { resourceId } of resources)
      control.submit(commands3d.attachResource(context, resourceId), { hold: true });
    virgl.createQuery(this.stream.reset(), 40, buffers.query);
    control.submit(commands3d.submit3d(context, this.stream.bytes), { hold: true });
  }
}
