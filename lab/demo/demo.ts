// The demo: the server and a synthetic guest in front of it, without a VMM.

import { resolve } from "node:path";
import { ServerProcess } from "../vmm/server-process.ts";
import { SyntheticGuest } from "../driver/synthetic-guest.ts";
import { checkSurroundings } from "./surroundings.ts";
import { type DemoOptions, helpText, parseDemoOptions } from "./options.ts";
import { MachineEnded } from "../kvm/machine.ts";
import { bootLinux, playInKvm } from "./kvm-scene.ts";
import { progressLine } from "./progress-line.ts";
import { playInQemu } from "./qemu-scene.ts";
import { playScene, sendSmallest } from "./scene-2d.ts";
import { playScene3d, rendererOf } from "./scene-3d.ts";
import { saveScreen } from "./saved-screen.ts";
import { formatLatency, latencyOf } from "./statistics.ts";
import { playVulkan } from "./vulkan-scene.ts";
import { type Call, sayWhereToLook } from "./where-to-look.ts";

const exit = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;
/** A busy machine may take long; who looks may have paused the guest for as long as that takes. */
const patienceMs = { usual: 60_000, inspected: 86_400_000 };
const burst = { depth: 64, pipelined: 200_000, single: 5_000 };

/** Returns the exit code; paths among `argv` are relative to `directory`. */
export async function main(argv: readonly string[], directory: string, call: Call): Promise<number> {
  let options: DemoOptions;
  try {
    options = within(directory, parseDemoOptions(argv));
  } catch (error) {
    // All that parsing throws is a sentence about the command line.
    console.error(`demo: ${messageOf(error)}. See ${call("demo")} --help.`);
    return exit.usage;
  }
  if (options.help) {
    console.log(helpText(call("demo")));
    return exit.done;
  }
  const interrupted = new AbortController();
  const { signal } = interrupted;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort());
  try {
    checkSurroundings(options);
    if (options.vulkan) await playVulkan(options, signal, call);
    else if (options.qemu) await playInQemu(options, signal);
    else if (options.kvm) await runMachine(options, signal, call);
    else await runSynthetic(options, signal, call);
    const { record } = options;
    if (record !== undefined) console.log(`recorded   ${record}, which ${call("replay")} ${record} plays`);
    return signal.aborted ? exit.interrupted : exit.done;
  } catch (error) {
    if (signal.aborted) {
      console.error("interrupted");
      return exit.interrupted;
    }
    // Whatever it was, this is a program's end.
    console.error(`The demo failed: ${messageOf(error)}`);
    return exit.failed;
  }
}

/** With its paths made absolute. */
function within(directory: string, options: DemoOptions): DemoOptions {
  const { output, record, server } = options;
  return {
    ...options,
    output: resolve(directory, output),
    record: record === undefined ? undefined : resolve(directory, record),
    // A name alone is looked for on PATH.
    server: server?.map((word, index) =>
      index === 0 && word.includes("/") ? resolve(directory, word) : word,
    ),
  };
}

async function runSynthetic(options: DemoOptions, signal: AbortSignal, call: Call): Promise<void> {
  const { scene, width, height, seconds, output, inspect } = options;
  const started = performance.now();
  const server = await ServerProcess.start({ ...serverFor(options), signal });
  let guest: SyntheticGuest | null = null;
  try {
    console.log(
      `server     listening after ${Math.round(performance.now() - started)} ms (pid ${server.pid})`,
    );
    guest = SyntheticGuest.boot(server.socketPath, {
      memory: guestMemoryFor(width, height),
      patienceMs: inspect ? patienceMs.inspected : patienceMs.usual,
      display: {
        ...(options.server === undefined ? {} : { features: 0, checksFlags: false }),
        modes: [{ x: 0, y: 0, width, height }],
      },
    });
    const bits = `0x${guest.offered.toString(16)}`;
    const span = seconds === Infinity ? "animation until Ctrl-C" : `${seconds} s of animation`;
    console.log(`guest      connected, features ${bits}, screen ${width}x${height}, ${span}`);
    if (inspect) await sayWhereToLook(server, call);

    if (scene === "3d") console.log(`renderer   ${rendererOf(guest)}`);

    const progress = progressLine();
    const play = scene === "3d" ? playScene3d : playScene;
    const playing = play(guest, options, () => signal.aborted, progress.frame);
    const report = await playing.finally(progress.end);
    console.log(`frames     ${report.frames}, ${(report.frames / report.seconds).toFixed(0)} a second`);
    console.log(`a frame    ${formatLatency(latencyOf(report.frameNs))} (its first command to its fence)`);
    console.log(`commands   ${report.commands}, ${thousands(report.commands / report.seconds)} a second`);

    // They show nothing, and would be the most of a recording.
    if (scene === "2d" && options.record === undefined && !signal.aborted) {
      sendSmallest(guest, burst.depth, burst.pipelined);
      const from = performance.now();
      sendSmallest(guest, burst.depth, burst.pipelined);
      const rate = burst.pipelined / ((performance.now() - from) / 1000);
      console.log(`smallest   ${thousands(rate)} a second with ${burst.depth} in flight`);
      console.log(`one alone  ${formatLatency(latencyOf(sendSmallest(guest, 1, burst.single)))}`);
    }
    await saveScreen(guest.display!, guest.pump, output);
    guest.stop();
  } catch (error) {
    throw new Error(`${messageOf(error)}\nThe server's log:\n${server.log()}`, { cause: error });
  } finally {
    guest?.close();
    const code = await server.stop();
    console.log(`server     ended with code ${code}`);
  }
}

async function runMachine(options: DemoOptions, signal: AbortSignal, call: Call): Promise<void> {
  const server = await ServerProcess.start({ ...serverFor(options), signal });
  try {
    console.log(`server     listening (pid ${server.pid})`);
    const span = options.seconds === Infinity ? "until Ctrl-C" : `for ${options.seconds} s`;
    const what = options.linux ? "Linux" : "a program";
    console.log(`guest      ${what} on a CPU of KVM, screen ${options.width}x${options.height}, ${span}`);
    if (options.inspect) await sayWhereToLook(server, call);
    const stopped = (): boolean => signal.aborted;
    if (options.linux) return await bootLinux(server, options, stopped);
    const progress = progressLine();
    await playInKvm(server, options, stopped, progress.frame).finally(progress.end);
  } catch (error) {
    // How a machine ends is one sentence.
    if (error instanceof MachineEnded) throw error;
    throw new Error(`${messageOf(error)}\nThe server's log:\n${server.log()}`, { cause: error });
  } finally {
    console.log(`server     ended with code ${await server.stop()}`);
  }
}

function serverFor({ scene, wayland, record, inspect, server }: DemoOptions): {
  command?: string[];
  args?: string[];
} {
  if (server !== undefined) return { command: server };
  const args = scene === "3d" ? ["--renderer", "virgl"] : [];
  if (wayland) args.push("--wayland");
  if (record !== undefined) args.push("--record", record);
  // Else a replay has nothing to compare what the renderer drew with.
  if (record !== undefined && scene === "3d") args.push("--record-checksums");
  if (inspect) args.push("--inspect");
  return { args };
}

/** Screen and pointer, rings and commands, with room to spare. */
function guestMemoryFor(width: number, height: number): { guestAddress: number; size: number }[] {
  const mebibyte = 2 ** 20;
  const screen = Math.ceil((width * height * 4) / mebibyte) * mebibyte;
  return [
    { guestAddress: 0, size: 16 * mebibyte },
    { guestAddress: 2 ** 32, size: screen + 16 * mebibyte },
  ];
}

const thousands = (value: number): string => Math.round(value).toLocaleString("en");
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
