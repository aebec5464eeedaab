// Snapshots that were damaged, or made up: given to a device by its front-end, and some of them to a server as it starts.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBlob } from "../../driver/commands-blob.ts";
import { areaOf } from "../../driver/gpu-driver.ts";
import type { GuestRange } from "../../driver/guest-memory.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { loadState, saveState, stateIfSaved } from "../../vmm/device-state.ts";
import { ServerProcess } from "../../vmm/server-process.ts";
import { BlobMem, Feature, Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, oneIn } from "../chance.ts";
import { Health } from "../health.ts";
import { firstDifference } from "../sane-guest.ts";
import { request, wrongFile } from "../snapshot-grammar.ts";
import { type Attack, patienceMs, type Place, Seen, type Target } from "../target.ts";
import { untilAnswered } from "../waiting.ts";

/** One in so many is given to a server as it starts, which takes its time. */
const startsEach = 250;
/** Inputs of one front-end. */
const inputsMax = 40;
const size = { width: 31, height: 23 };
const pictureId = 1;
const pagesBytes = 16 * 4096;
const ringBase = 77;
const gpuFeatures = [Feature.EDID, Feature.RESOURCE_UUID, Feature.RESOURCE_BLOB];
const flags = ["--renderer", "software", "--vulkan", "off", "--storage-bytes-max", "67108864"];

export const snapshots: Target = {
  name: "snapshots",
  about: "a damaged or made-up snapshot: loaded by a front-end, and some at a start",
  batch: 1_000,
  flags: () => flags,
  begin: (place) => new SnapshotAttack(place),
};

class SnapshotAttack implements Attack {
  private guest: SyntheticGuest | null = null;
  private readonly sound: ReturnType<typeof soundState>;
  private pages: GuestRange = { address: 0, length: 0 };
  private inputs = 0;

  constructor(private readonly place: Place) {
    this.sound = soundState(place.server.socketPath);
  }

  input(chance: Chance): Promise<void> | undefined {
    const isSound = oneIn(chance, 20);
    const file = isSound ? this.sound.file : wrongFile(chance, this.sound.file, this.pages);
    if (!isSound && ++this.inputs % startsEach === 0) return this.startWith(file, chance);
    const guest = (this.guest ??= this.connect(this.place.server, chance));
    const isLoaded = loadState(guest.frontend, file);
    if (isSound && !isLoaded) throw new Seen("a snapshot that is sound is not loaded");
    // Some are followed by another, or by a reset.
    if (!isSound && oneIn(chance, 8)) return;
    if (!isSound && oneIn(chance, 30)) guest.frontend.resetDevice();
    this.goOn(guest, chance, isSound);
    if (oneIn(chance, inputsMax)) this.hangUp();
    return;
  }

  end(): void {
    this.hangUp();
  }

  private hangUp(): void {
    this.guest?.close();
    this.guest = null;
  }

  private connect({ socketPath }: ServerProcess, chance: Chance): SyntheticGuest {
    const display = oneIn(chance, 3) ? { display: null } : {};
    const guest = SyntheticGuest.connect(socketPath, { ...display, patienceMs, ringBase, gpuFeatures });
    guest.initialise();
    this.pages = guest.memory.allocate(pagesBytes);
    return guest;
  }

  /** A driver goes on with what was loaded, for a while. */
  private goOn(guest: SyntheticGuest, chance: Chance, isSound: boolean): void {
    guest.start();
    if (isSound) this.compare(guest);
    this.use(guest, chance);
    stop(guest);
    if (!oneIn(chance, 10)) return;
    const again = stateIfSaved(guest.frontend);
    if (again !== null && !loadState(guest.frontend, again)) throw new Seen("what was saved is not loaded");
    guest.start();
    this.use(guest, chance);
    stop(guest);
  }

  private use(guest: SyntheticGuest, chance: Chance): void {
    const { control, cursor } = guest;
    for (let left = chance(6); left > 0; left--)
      (oneIn(chance, 5) ? cursor : control).submit(request(chance, this.pages));
    untilAnswered(guest);
  }

  private compare({ gpu, display, pump }: SyntheticGuest): void {
    const { picture } = this.sound;
    gpu.setScanout(0, pictureId, areaOf(size));
    if (display === null) return;
    const isShown = (): boolean =>
      firstDifference(display.framebuffer(0)?.pixels ?? null, picture) === picture.length;
    pump.until(isShown, "the picture of a snapshot");
  }

  private async startWith(file: Uint8Array, chance: Chance): Promise<void> {
    const path = join(this.place.directory, "damaged.snapshot");
    writeFileSync(path, file);
    let server: ServerProcess;
    let code: number;
    try {
      server = await ServerProcess.start({ args: [...flags, "--restore", path] });
    } catch (error) {
      const { message } = error as Error;
      if (/^the server ended with code 2:.*: --restore/s.test(message)) return;
      throw error;
    }
    try {
      await this.serveWith(server, chance);
    } finally {
      code = await server.stop();
    }
    if (code !== 0) throw new Seen(`with --restore it ended with code ${code}`);
  }

  private async serveWith(server: ServerProcess, chance: Chance): Promise<void> {
    const guest = this.connect(server, chance);
    try {
      this.goOn(guest, chance, false);
    } finally {
      guest.close();
    }
    const illness = await new Health(server, false).look();
    if (illness !== null) throw new Seen(`with --restore: ${illness.what}\n${server.log()}`);
  }
}

function stop(guest: SyntheticGuest): void {
  guest.stop();
  guest.display?.free();
}

/** A state with something of each kind, and what it shows. */
function soundState(socketPath: string): { file: Uint8Array; picture: Uint32Array } {
  const guest = SyntheticGuest.boot(socketPath, { patienceMs, gpuFeatures, display: null });
  try {
    const { gpu, memory } = guest;
    const images = [pictureId, 2].map((id) => gpu.createImage(id, Format.B8G8R8X8, size.width, size.height));
    images.forEach(({ pixels }, at) => pixels.forEach((_, place) => (pixels[place] = place * 0x1_0301 + at)));
    for (const image of images) gpu.present(image);
    gpu.setScanout(0, pictureId, areaOf(size));
    gpu.detachBacking(2);
    gpu.assignUuid(2);
    const arrow = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
    gpu.transferToHost2d(3, areaOf(arrow));
    gpu.updateCursor({ scanoutId: 0, x: 3, y: 4 }, 3);
    guest.control.call(
      createBlob({ resourceId: 4, mem: BlobMem.GUEST, size: 8192 }, [memory.allocate(8192)]),
    );
    guest.stop();
    return { file: saveState(guest.frontend), picture: images[0]!.pixels.slice() };
  } finally {
    guest.close();
  }
}
