// An ordinary kernel as the boot protocol wants it in memory, and what it says on its serial port.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bound } from "../../../lab/bound-child.ts";
import { GuestMemory } from "../../../lab/driver/guest-memory.ts";
import { loadLinux } from "../../../lab/kvm/linux.ts";
import { SerialPort } from "../../../lab/kvm/serial-port.ts";
import { bzImagePath, kernels } from "../../../lab/qemu/cache.ts";
import { kvmTest } from "../../support/kvm.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-linux-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A bzImage of one sector of set-up beside the first, and `body`. */
function bzImage(body: Uint8Array): Uint8Array {
  const image = new Uint8Array(2 * 512 + body.length);
  image[0x1f1] = 1;
  image[0x201] = 0x66;
  image.set(new TextEncoder().encode("HdrS"), 0x202);
  image[0x260] = 0x77;
  image.set(body, 2 * 512);
  return image;
}

/** Loads into a MiB of memory beside the kernel's, and hands it to `look`. */
function load(
  image: string,
  initramfs: string,
  look: (bytes: Uint8Array, view: DataView, argument: number) => void,
): void {
  const memory = new GuestMemory([{ guestAddress: 0, size: 2 * 2 ** 20 }]);
  try {
    const [ram] = memory.regions;
    const entry = loadLinux(ram!, { image, initramfs, commandLine: "one two" });
    expect(entry.address).toBe(2 ** 20);
    look(new Uint8Array(ram!.buffer), new DataView(ram!.buffer), entry.argument);
  } finally {
    memory.free();
  }
}

const textAt = (bytes: Uint8Array, at: number): string =>
  new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));

test("kernel, initramfs, command line and map of the memory are where the kernel looks", () => {
  const body = Uint8Array.of(1, 2, 3, 4);
  const image = file("image", bzImage(body));
  const initramfs = file("initramfs", Uint8Array.of(9, 8, 7));
  load(image, initramfs, (bytes, view, params) => {
    expect(bytes.subarray(2 ** 20, 2 ** 20 + 4)).toEqual(body);
    expect(textAt(bytes, view.getUint32(params + 0x228, true))).toBe("one two");
    const files = view.getUint32(params + 0x218, true);
    expect(view.getUint32(params + 0x21c, true)).toBe(3);
    expect(bytes.subarray(files, files + 3)).toEqual(Uint8Array.of(9, 8, 7));
    expect(bytes.subarray(params + 0x202, params + 0x206)).toEqual(new TextEncoder().encode("HdrS"));
    // Of the header to its end, and no more.
    expect([view.getUint8(params + 0x260), view.getUint8(params + 0x211) & 1]).toEqual([0x77, 1]);
    expect(view.getUint8(params + 0x268)).toBe(0);
    expect(view.getUint8(params + 0x1e8)).toBe(2);
    const rams = [0, 1].map((index) => params + 0x2d0 + 20 * index);
    expect(
      rams.map((at) => [Number(view.getBigUint64(at, true)), Number(view.getBigUint64(at + 8, true))]),
    ).toEqual([
      [0, 0x9fc00],
      [2 ** 20, 2 ** 20],
    ]);
  });
});

test.each([
  ["an image that is none", new Uint8Array(4096), Uint8Array.of(1), "is no bzImage of Linux"],
  ["an image that is cut off", new Uint8Array(100), Uint8Array.of(1), "is no bzImage of Linux"],
  ["an initramfs too large", bzImage(new Uint8Array(8)), new Uint8Array(2 ** 20), "has no room for"],
] as const)("%s is refused", (_, image, initramfs, sentence) => {
  const paths = [file("bad-image", image), file("bad-initramfs", initramfs)] as const;
  expect(() => load(...paths, () => undefined)).toThrow(sentence);
});

test("a kernel that is not there is told with what brings it", () => {
  const missing = join(folder, "missing");
  expect(() => load(missing, missing, () => undefined)).toThrow(
    "cannot be read (ENOENT): run ./setup.sh first",
  );
});

test("a serial port tells lines, and keeps the rate's registers apart", () => {
  const lines: string[] = [];
  const port = new SerialPort((line) => lines.push(line));
  const say = (text: string): void => {
    for (const character of text) {
      // There is room to send.
      expect(port.read(5) & 0x20).toBe(0x20);
      port.write(0, character.charCodeAt(0));
    }
  };
  port.write(3, 0x83);
  port.write(0, 1);
  port.write(3, 3);
  say("Linux\r\nup\u001b[0m\n");
  expect(lines).toEqual(["Linux", "up[0m"]);
  expect([port.read(2), port.read(3), port.read(6)]).toEqual([1, 3, 0]);
});

const flags = readFileSync("/proc/cpuinfo", "utf8");
const isEmulated = !/^flags\s*:.*\b(?:vmx|svm)\b/m.test(flags);

kvmTest("an ordinary kernel boots to its console, or one line says why not", async () => {
  for (const kernel of kernels) expect(existsSync(bzImagePath(kernel))).toBe(true);
  const demo = join(import.meta.dir, "../../../lab/demo/main.ts");
  const command = [
    process.execPath,
    demo,
    "--kvm",
    "--linux",
    "--seconds",
    "10",
    "--output",
    `${folder}/a.png`,
  ];
  const child = Bun.spawn(bound(command), { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (isEmulated) {
    expect(output).toBe("");
    expect({ code, errors }).toEqual({
      code: 1,
      errors:
        "The demo failed: --linux wants a processor with VMX or SVM, which this one does not offer: KVM here emulates\n",
    });
  } else expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining("Linux version 6.12") });
});
