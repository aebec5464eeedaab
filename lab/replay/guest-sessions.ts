// What real guests do for a recording: boots of Linux in QEMU, from the first ring to a last frame that stands still.

import { until } from "../qemu/deadline.ts";
import type { Kernel, Root } from "../qemu/cache.ts";
import { diffImages, type Image } from "../qemu/image.ts";
import { QemuGuest } from "../qemu/qemu-guest.ts";
import { ServerProcess } from "../vmm/server-process.ts";

interface GuestSession {
  readonly kernel: Kernel;
  readonly root: Root;
  readonly renderer: "software" | "virgl";
  /** What the guest is told once it is up. */
  readonly commands: readonly string[];
}

const cubeMs = 4_000;
const cube = `sh (tail -f /dev/null | kmscube) >/tmp/kmscube.log 2>&1 &`;
const cubeIsUp = `sh until grep -q renderer /tmp/kmscube.log; do sleep 0.2; done; sleep ${cubeMs / 1000}`;
const cubeStands = "sh kill -STOP $(pidof kmscube)";
const picture = [
  "pattern 0 1024 768 3",
  "flip 0 20 40",
  "dirty 0 101 63 297 205 77",
  "pattern 0 1366 770 5",
  "unbind",
  "bind",
  "pattern 0 1280 800 31",
];

export const guestSessions = {
  "boot-6.12": { kernel: "6.12", root: "busybox", renderer: "software", commands: picture },
  "boot-6.1": { kernel: "6.1", root: "busybox", renderer: "software", commands: picture },
  "cube-6.12": { kernel: "6.12", root: "debian", renderer: "virgl", commands: [cube, cubeIsUp, cubeStands] },
  "cube-6.1": { kernel: "6.1", root: "debian", renderer: "virgl", commands: [cube, cubeIsUp, cubeStands] },
} as const satisfies Record<string, GuestSession>;

export type SessionName = keyof typeof guestSessions;

const commandMs = 240_000;
const stillMs = 30_000;
const pollMs = 300;
/** Looks at a picture that stands still: on a busy machine the renderer may take longer than between two for its last. */
const stillLooks = 6;

/** Records a session to `path`; logs go to `logDirectory`. Returns what QEMU showed last. */
export async function recordSession(
  name: SessionName,
  path: string,
  logDirectory: string,
  signal?: AbortSignal,
): Promise<Image> {
  const args = ["--record", path, "--record-checksums"];
  return await runSession(name, args, logDirectory, signal === undefined ? {} : { signal });
}

interface Watch {
  /** Called when the server is up, and no guest is there yet. */
  readonly begun?: (server: ServerProcess) => Promise<void>;
  /** Called while the last picture stands. */
  readonly stands?: (picture: Image) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** Runs a session on a server with these settings. Returns what QEMU showed last. */
export async function runSession(
  name: SessionName,
  args: readonly string[],
  logDirectory: string,
  { begun, stands, signal }: Watch,
): Promise<Image> {
  const { kernel, root, renderer, commands }: GuestSession = guestSessions[name];
  const server = await ServerProcess.start({
    args: ["--renderer", renderer, ...args],
    ...(signal === undefined ? {} : { signal }),
  });
  let guest: QemuGuest | null = null;
  try {
    await begun?.(server);
    const gpu = { kind: "vhost-user", socketPath: server.socketPath, outputs: 1 } as const;
    guest = await QemuGuest.boot({ kernel, root, gpu }, logDirectory, signal);
    for (const command of commands) await guest.run(command, commandMs);
    const picture = await lastPicture(guest);
    await stands?.(picture);
    return picture;
  } catch (error) {
    throw new Error(`${(error as Error).message}\nThe server's log:\n${server.log()}`, { cause: error });
  } finally {
    await guest?.stop();
    await server.stop();
  }
}

/** Waits until QEMU has been given the last frame. A VM that is stopped would not take it: QEMU hangs up the display then. */
async function lastPicture(guest: QemuGuest): Promise<Image> {
  let before: Image | null = null;
  let looks = 0;
  const isStill = async (): Promise<Image | undefined> => {
    const now = await guest.screendump(0);
    looks = before !== null && diffImages(before, now) === null ? looks + 1 : 1;
    before = now;
    return looks === stillLooks ? now : undefined;
  };
  return await until("a last frame that stands still", isStill, stillMs, pollMs);
}
