// The GL programs of the guest with Mesa, and what they say.

import { until } from "../../../lab/qemu/deadline.ts";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";
import { generateEdid } from "../../../src/picture/edid.ts";

/** The emulated CPU compiles the guest's shaders, where the guest draws itself. */
const programTimeoutMs = 180_000;
const cubeTimeoutMs = 60_000;
const cubeLog = "/tmp/kmscube.log";

/** EGL's driver on each platform that needs no window system: eglinfo's sections, by their headings. */
export async function eglDrivers(guest: QemuGuest): Promise<Record<string, string>> {
  // It ends with an error, as the other platforms are not there.
  const lines = await guest.run(
    "sh eglinfo 2>/dev/null | grep -E ' platform:|EGL driver name:'",
    programTimeoutMs,
  );
  const drivers: Record<string, string> = {};
  let platform = "";
  for (const line of lines) {
    if (line.endsWith(" platform:")) platform = line.slice(0, -" platform:".length);
    // The device platform lists a device without hardware too, last.
    else drivers[platform] ??= line.slice("EGL driver name: ".length);
  }
  return drivers;
}

/** Starts kmscube on the first output; it turns until `stopCube`. */
export async function startCube(guest: QemuGuest, options = ""): Promise<void> {
  // It ends when there is something to read, even an end.
  await guest.run(`sh (tail -f /dev/null | kmscube ${options}) >${cubeLog} 2>&1 &`);
}

/** GL's name for the renderer that kmscube draws with, once it has said it. */
export async function cubeRenderer(guest: QemuGuest): Promise<string> {
  const find = async (): Promise<string | undefined> => {
    const [line] = await guest.run(`sh sed -n 's/^ *renderer: "\\(.*\\)"$/\\1/p' ${cubeLog}`);
    return line;
  };
  return await until("kmscube to name its renderer", find, cubeTimeoutMs, 200);
}

/** Ends kmscube by a signal that leaves the cleaning to the kernel, and waits for its end. */
export async function stopCube(guest: QemuGuest): Promise<void> {
  await guest.run("sh killall -KILL kmscube tail; while pidof kmscube; do sleep 0.1; done");
}

/** What glmark2 says of itself and, in the order of `scenes`, of each: "Success", "Failure" or "Unknown". */
export async function glmark2(
  guest: QemuGuest,
  scenes: readonly string[],
): Promise<{ renderer: string; size: string; validations: string[] }> {
  const list = scenes.map((scene) => `-b ${scene}`).join(" ");
  const lines = await guest.run(`sh glmark2-es2-drm --off-screen --validate ${list} 2>&1`, programTimeoutMs);
  const field = (name: string) =>
    lines.find((line) => line.trimStart().startsWith(`${name}:`))?.split(/: +/)[1] ?? "";
  return {
    renderer: field("GL_RENDERER"),
    size: field("Surface Size").split(" ")[0]!,
    validations: lines.flatMap((line) => /^\[.* Validation: (\w+)$/.exec(line)?.[1] ?? []),
  };
}

/**
 * Gives the guest's first output the modes of a screen of 1024 × 768, from the driver's next binding on: glmark2 takes
 * the largest mode, 5120 × 2160 otherwise, and knows what its scenes look like on screens of 4:3 only.
 */
export async function chooseSmallScreen(guest: QemuGuest): Promise<void> {
  const octal = [...generateEdid(1024, 768, 0)]
    .map((byte) => `\\${byte.toString(8).padStart(3, "0")}`)
    .join("");
  await guest.run(
    `sh mkdir -p /tmp/firmware && printf '${octal}' >/tmp/firmware/screen.bin &&
    printf /tmp/firmware >/sys/module/firmware_class/parameters/path &&
    printf Virtual-1:screen.bin >/sys/module/drm/parameters/edid_firmware`.replaceAll(/\n\s*/g, " "),
  );
}
