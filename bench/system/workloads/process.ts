// The server as a process: how soon it listens, and how much memory it takes.

import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as commands from "../../../lab/driver/commands.ts";
import { areaOf } from "../../../lab/driver/gpu-driver.ts";
import { libc } from "../../../src/ffi/libc.ts";
import { SystemError } from "../../../src/transport/os/errors.ts";
import { closeFd, setNonBlocking } from "../../../src/transport/os/fds.ts";
import { connectUnix } from "../../../src/transport/os/unix-path.ts";
import { Flags, Header, RequestType } from "../../../src/transport/wire/vhost-user/protocol.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Backend, start } from "../backends.ts";
import { type Figure, figure } from "../figure.ts";
import { type Memory, memoryOf, usageOf } from "../process-usage.ts";
import type { Renderer } from "../backends.ts";
import type { Workload } from "../workload.ts";
import { sizes } from "./transfer.ts";

const starts = 5;
const startLimitMs = 10_000;
/** After which a server that has nothing to do has settled. */
const settleMs = 1_000;
const mebibyte = 2 ** 20;

export const processes: Workload[] = (["software", "virgl"] as Renderer[]).flatMap((renderer) => [
  untilListening(renderer),
  idleMemory(renderer),
  busyMemory(renderer),
]);

function untilListening(renderer: Renderer): Workload {
  return {
    kind: "server",
    name: `start/${renderer}`,
    title: "From the start of the process until it accepts a connection, and answers its first request",
    renderer,
    async measure(backend) {
      const listeningMs: number[] = [];
      const answersMs: number[] = [];
      const cpuMs: number[] = [];
      for (let run = 0; run < starts; run++) {
        const start = await startOnce(backend, renderer);
        listeningMs.push(start.listeningMs);
        answersMs.push(start.answersMs);
        cpuMs.push(start.cpuMs);
      }
      return [
        figure("listening after", "ms", "less", listeningMs),
        figure("answers after", "ms", "less", answersMs),
        figure("CPU until then", "ms", "less", cpuMs),
      ];
    },
  };
}

function idleMemory(renderer: Renderer): Workload {
  return {
    kind: "server",
    name: `memory/${renderer}/idle`,
    title: "Memory of a server that listens",
    renderer,
    async measure(backend) {
      const server = await start(backend, renderer);
      try {
        await Bun.sleep(settleMs);
        return memoryFigures(memoryOf(server.pid));
      } finally {
        await server.stop();
      }
    },
  };
}

function busyMemory(renderer: Renderer): Workload {
  return {
    kind: "guest",
    name: `memory/${renderer}/busy`,
    title: "Memory of a server that has taken 1920×1080 frames for a while",
    renderer,
    pinned: false,
    measure(stage) {
      const { gpu } = stage.guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, sizes["1080p"].width, sizes["1080p"].height);
      image.pixels.fill(0x00336699);
      const request = commands.transferToHost2d(1, areaOf(image), 0);
      stage.windows((count) => {
        for (let index = 0; index < count; index++) stage.guest.control.call(request);
      });
      return memoryFigures(memoryOf(stage.serverPid));
    },
  };
}

function memoryFigures({ rss, pss, pssOwn }: Memory): Figure[] {
  return [
    figure("RSS", "MiB", "less", [rss / mebibyte]),
    figure("PSS", "MiB", "less", [pss / mebibyte]),
    figure("PSS without shared memory", "MiB", "less", [pssOwn / mebibyte]),
  ];
}

async function startOnce(
  backend: Backend,
  renderer: Renderer,
): Promise<{ listeningMs: number; answersMs: number; cpuMs: number }> {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-bench-"));
  const socketPath = join(directory, "gpu.sock");
  const from = performance.now();
  const child = Bun.spawn([...backend.command, "--socket-path", socketPath, ...backend.args[renderer]], {
    env: { ...process.env, ...backend.env[renderer] },
    stdio: ["ignore", "ignore", "ignore"],
  });
  try {
    let connection = connect(socketPath);
    for (; connection < 0; connection = connect(socketPath)) {
      if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`);
      if (performance.now() - from > startLimitMs) throw new Error("the server does not listen");
      await Bun.sleep(1);
    }
    const listeningMs = performance.now() - from;
    await answerOn(connection);
    const answersMs = performance.now() - from;
    const cpuMs = usageOf(child.pid).cpuNs / 1e6;
    closeFd(connection);
    return { listeningMs, answersMs, cpuMs };
  } finally {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Asks for the features, as every front-end does first, and waits until there is an answer. */
async function answerOn(connection: number): Promise<void> {
  setNonBlocking(connection);
  writeSync(connection, new Uint32Array([RequestType.GET_FEATURES, Flags.version, 0]));
  const answer = new Uint8Array(Header.bytes + 8);
  const deadline = performance.now() + startLimitMs;
  for (; libc.read(connection, answer, answer.length) <= 0; await Bun.sleep(1)) {
    if (performance.now() > deadline) throw new Error("the server does not answer");
  }
}

/** A connection, or -1 while nobody listens. */
function connect(path: string): number {
  try {
    return connectUnix(path, "stream");
  } catch (error) {
    if (error instanceof SystemError && ["ENOENT", "ECONNREFUSED"].includes(error.code)) return -1;
    throw error;
  }
}
