// Recordings that were damaged, or made up: told and trimmed here, and some of them by the programs, against the server.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bound } from "../../bound-child.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { trim } from "../../../src/recording/trim.ts";
import { readChunkHead, writeChunkHead } from "../../../src/transport/wire/record/chunk-head.ts";
import { detailsOf } from "../../../src/transport/wire/record/details.ts";
import { ChunkHead, Encoding, fileHeadBytes } from "../../../src/transport/wire/record/layout.ts";
import { recordingFrom } from "../../../src/transport/wire/record/reader.ts";
import { Refusal } from "../../../src/transport/os/errors.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, oneIn, pick } from "../chance.ts";
import { type Attack, patienceMs, type Place, Seen, type Target } from "../target.ts";

/** One in so many is given to a program, which takes its time to start. */
const programsEach = 2_000;
const root = join(import.meta.dir, "../../..");
const recordingBytesMax = 2 ** 24;

export const recordings: Target = {
  name: "recordings",
  about: "a damaged recording: told, trimmed, some replayed",
  batch: 4_000,
  flags: () => ["--renderer", "software", "--vulkan", "off", "--record-checksums"],
  begin: async (place) => new RecordingAttack(place, await record(place)),
};

/** What a guest does in a moment, recorded by the server. */
async function record({ server, directory }: Place): Promise<Uint8Array> {
  const path = join(directory, "whole.rec");
  rmSync(path, { force: true });
  await server.control({ command: "record-start", path });
  const guest = SyntheticGuest.boot(server.socketPath, { patienceMs });
  try {
    const image = guest.gpu.createImage(1, Format.B8G8R8X8, 24, 16);
    for (let frame = 0; frame < 3; frame++) {
      image.pixels.fill(frame * 0x1234);
      guest.gpu.show(0, image);
      guest.gpu.moveCursor({ scanoutId: 0, x: frame, y: 1 });
    }
  } finally {
    guest.close();
  }
  await server.control({ command: "record-stop" });
  return new Uint8Array(readFileSync(path));
}

class RecordingAttack implements Attack {
  private readonly head: Uint8Array;
  private readonly chunks: readonly Chunk[];
  private inputs = 0;

  constructor(
    private readonly place: Place,
    private readonly whole: Uint8Array,
  ) {
    this.head = whole.subarray(0, fileHeadBytes);
    this.chunks = chunksOf(whole);
  }

  input(chance: Chance): Promise<void> | undefined {
    const bytes = oneIn(chance, 4) ? mutated(chance, this.whole, recordingBytesMax) : this.madeUp(chance);
    read(bytes, chance);
    return ++this.inputs % programsEach === 0 ? this.runProgram(chance, bytes) : undefined;
  }

  end(): void {}

  /** Content that is wrong under checksums that are right. */
  private madeUp(chance: Chance): Uint8Array {
    const at = chance(this.chunks.length);
    const chunks = this.chunks.map(({ bytes, facts, plain }, index) => {
      if (index !== at) return bytes;
      const content = mutated(chance, plain, recordingBytesMax);
      const size = { storedBytes: content.length, plainBytes: content.length, encoding: Encoding.plain };
      const entries = oneIn(chance, 20) ? chance(100) : facts.entries;
      const head = writeChunkHead({ ...facts, ...size, entries, checksum: Bun.hash.crc32(content) });
      return Buffer.concat([head, content]);
    });
    return Buffer.concat([this.head, ...chunks]);
  }

  private async runProgram(chance: Chance, bytes: Uint8Array): Promise<void> {
    const { server, directory } = this.place;
    const [path, output] = [join(directory, "damaged.rec"), join(directory, "out.rec")];
    writeFileSync(path, bytes);
    rmSync(output, { force: true });
    const command = pick(chance, [
      ["src/cli/trace-info.ts", path],
      ["src/cli/trace-trim.ts", path, "--blank", "-o", output],
      ["lab/replay/main.ts", path, "--socket-path", server.socketPath],
      ["lab/replay/main.ts", path, "--socket-path", server.socketPath],
    ]);
    const child = Bun.spawn(bound([process.execPath, ...command]), {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const killer = setTimeout(() => child.kill("SIGKILL"), 2 * patienceMs);
    const [code, text] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    clearTimeout(killer);
    if (code > 1 || /^\s+at .*:\d+:\d+\)?$/m.test(text))
      throw new Seen(`${command[0]} ended with ${code}: ${text}`);
  }
}

/** Goes over all of it, and trims it: a mistake in it is a refusal. */
function read(bytes: Uint8Array, chance: Chance): void {
  const began = performance.now();
  try {
    const recording = recordingFrom(
      (offset, length) => bytes.subarray(offset, offset + length),
      bytes.length,
    );
    for (const entry of recording.entries()) if (entry.kind === "missing") detailsOf(entry);
    const frames = oneIn(chance, 2) ? [] : [chance(3)];
    const work = trim(recording, { frames, isBlank: oneIn(chance, 2) }, () => {});
    while (work.next().done !== true);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  const ms = performance.now() - began;
  if (ms > patienceMs) throw new Seen(`a recording of ${bytes.length} bytes took ${Math.round(ms)} ms`);
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly facts: NonNullable<ReturnType<typeof readChunkHead>>;
  readonly plain: Uint8Array;
}

function chunksOf(whole: Uint8Array): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = fileHeadBytes; ;) {
    const facts = readChunkHead(whole.subarray(at));
    if (facts === null) return chunks;
    const end = at + ChunkHead.bytes + facts.storedBytes;
    const stored = whole.slice(at + ChunkHead.bytes, end);
    const plain = facts.encoding === Encoding.zstd ? Bun.zstdDecompressSync(stored) : stored;
    chunks.push({ bytes: whole.subarray(at, end), facts, plain });
    at = end;
  }
}
