// Venus streams for the render server, whose context reads shared memory that the guest changes meanwhile.

import * as blobs from "../../driver/commands-blob.ts";
import * as commands from "../../driver/commands.ts";
import * as commands3d from "../../driver/commands-3d.ts";
import { expectOk } from "../../driver/gpu-driver.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { frontEnds } from "../../../src/transport/wire/front-ends.ts";
import { Reply, VenusCommand } from "../../../src/transport/wire/venus/protocol.ts";
import { VenusStream } from "../../../src/transport/wire/venus/stream.ts";
import { BlobFlag, BlobMem, Capset, Feature } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, oneIn, word } from "../chance.ts";
import { StreamsUnderWay } from "../streams-under-way.ts";
import { type Attack, patienceMs, Seen, type Target } from "../target.ts";
import { type SharedBlob, VenusWriter, writeSetUp } from "../venus-grammar.ts";
import { untilAnswered } from "../waiting.ts";

const contexts = 4;
/** Streams that are under way at a time, of contexts in turn. */
const inFlight = 8;
const streamBytesMax = 2 ** 15;
const blobBytes = 4 * 4096;
/** One for answers, one for rings and streams. */
const blobsEach = 2;
export const venusFlags = [
  ...["--renderer", "virgl", "--isolation", "process", "--vulkan", "on", "--host-memory", "1M"],
  ...["--stall-ms", "10000", "--vulkan-stall-ms", "2000"],
];
export const venusGuest = {
  patienceMs,
  display: null,
  sharedMemoryBit: frontEnds.current.sharedMemoryBit,
  gpuFeatures: [Feature.VIRGL, Feature.EDID, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
};

export const venus: Target = {
  name: "venus",
  about: "a stream of Vulkan's calls for the render server, and words of the memory that it shares",
  batch: 400,
  reachesRenderer: true,
  recordable: true,
  flags: () => venusFlags,
  begin: ({ server }) => new VenusAttack(server.socketPath),
};

class VenusAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly underWay = new StreamsUnderWay(inFlight);
  private readonly writers: VenusWriter[] = [];
  private next = 0;

  constructor(socketPath: string) {
    this.guest = SyntheticGuest.boot(socketPath, venusGuest);
    for (let context = 1; context <= contexts; context++) this.make(context);
    untilAnswered(this.guest);
  }

  input(chance: Chance): void {
    const context = 1 + (this.next++ % contexts);
    const plain = this.writers[context]!.write(chance);
    const bytes = oneIn(chance, 10) ? mutated(chance, plain, streamBytesMax) : plain;
    this.scribble(chance, context);
    const header = oneIn(chance, 3)
      ? { fenceId: BigInt(this.next), ringIndex: oneIn(chance, 30) ? chance(64) : 0 }
      : {};
    const submission = this.guest.control.submit(commands3d.submit3d(context, bytes, header));
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

  /** A new context answers as one should, in memory that the guest sees. */
  private look(): void {
    const { gpu, frontend } = this.guest;
    const [context, place] = [contexts + 1, placeOf(contexts + 1, 0)];
    const [{ resourceId }] = sharedOf(context) as [SharedBlob];
    this.make(context);
    // Memory may be mapped after the streams behind it have run.
    untilAnswered(this.guest);
    const version = new VenusStream().replyTo(resourceId, blobBytes).enumerateInstanceVersion().finish();
    const stream = new Uint8Array(version.buffer as ArrayBuffer);
    expectOk(gpu.submit3d(context, stream, { fenceId: 1n, ringIndex: 0 }), "SUBMIT_3D");
    const answer = new Uint32Array(frontend.window!.view(place, blobBytes).slice().buffer);
    if (answer[Reply.command] !== VenusCommand.vkEnumerateInstanceVersion)
      throw new Seen(`a new context has answered ${answer[Reply.command]}`);
    this.settle();
  }

  /** Waits, and makes those contexts anew that were lost. */
  private settle(): void {
    untilAnswered(this.guest);
    for (const context of this.underWay.lost()) {
      for (const { resourceId } of sharedOf(context)) this.submit(commands.unrefResource(resourceId));
      this.submit(commands3d.destroyContext(context));
      this.make(context);
    }
    const [wrong] = this.guest.frontend.window!.violations;
    if (wrong !== undefined) throw new Seen(`the front-end was asked for what makes no sense: ${wrong}`);
  }

  private make(context: number): void {
    this.writers[context] = new VenusWriter(sharedOf(context));
    this.submit(commands3d.createContext(context, `fuzz-${context}`, Capset.VENUS));
    sharedOf(context).forEach(({ resourceId, bytes }, index) => {
      const blob = { resourceId, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: bytes };
      this.submit(blobs.createBlob(blob, [], { contextId: context }));
      this.submit(blobs.mapBlob(resourceId, placeOf(context, index)));
    });
    this.submit(commands3d.submit3d(context, writeSetUp(sharedOf(context)[0]!)));
  }

  private submit(request: DataView): void {
    this.guest.control.submit(request, { hold: true });
  }

  /** Changes what the context's process may be reading: heads and tails of rings, calls, its own answers. */
  private scribble(chance: Chance, context: number): void {
    const bytes = this.guest.frontend.window!.view(placeOf(context, chance(blobsEach)), blobBytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (oneIn(chance, 4))
      for (let left = chance(8); left > 0; left--)
        view.setUint32(4 * chance(blobBytes / 4), word(chance), true);
    // A ring's tail, and the first words that it then reads: a call without arguments that matter.
    if (oneIn(chance, 8)) view.setUint32(64, 4 * chance(64), true);
  }
}

function sharedOf(context: number): SharedBlob[] {
  return Array.from({ length: blobsEach }, (_, index) => ({
    resourceId: context * 10 + index,
    bytes: blobBytes,
  }));
}

/** Where in the window. */
const placeOf = (context: number, index: number): number => (context * blobsEach + index) * blobBytes;
