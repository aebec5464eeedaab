// What a Debian package has besides the executable, its manual pages and completions; and how it is packed.

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import packageJson from "../../package.json";

const root = join(import.meta.dir, "../..");
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
const architecture = architectures[process.arch] ?? process.arch;

/** What libvirt looks for: docs/libvirt.md. QEMU's own has number 50. */
const capabilityFile = { description: "Fencepost", type: "gpu", binary: "/usr/bin/fencepost" };

/** Without these there is no 3D, and nothing is shown but by the CPU. */
const recommended = ["libvirglrenderer1", "libegl1", "libopengl0", "libgl1-mesa-dri", "libgbm1"];

/** A tilde sorts before everything, so that 1.0.0 comes after its candidates. */
const debVersion = packageJson.version.replace("-", "~");

export const debName = (): string => `fencepost_${debVersion}_${architecture}.deb`;

/** Lays out all else below `tree`, which has usr/bin/fencepost and usr/share. */
export function layOut(tree: string): void {
  const put = (path: string, text: string | Uint8Array): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  put("usr/share/qemu/vhost-user/40-fencepost.json", `${JSON.stringify(capabilityFile, null, 2)}\n`);
  for (const unit of readdirSync(join(root, "systemd")))
    put(`usr/lib/systemd/system/${unit}`, readFileSync(join(root, "systemd", unit)));
  // The units' user.
  put("usr/lib/sysusers.d/fencepost.conf", 'u fencepost - "Fencepost" /nonexistent\n');
  put("usr/share/doc/fencepost/copyright", copyright());
  for (const name of readdirSync(join(root, "docs")).filter((one) => one.endsWith(".md"))) {
    put(`usr/share/doc/fencepost/docs/${name}`, "");
    copyFileSync(join(root, "docs", name), join(tree, "usr/share/doc/fencepost/docs", name));
  }
  const manual = join(tree, "usr/share/man/man1");
  for (const page of readdirSync(manual)) {
    writeFileSync(join(manual, `${page}.gz`), gzipSync(readFileSync(join(manual, page)), { level: 9 }));
    rmSync(join(manual, page));
  }
  normalize(tree);
  control(tree);
}

/** Packs `tree` as `path`. Throws with what dpkg-deb says. */
export function pack(tree: string, path: string): void {
  const time = process.env["SOURCE_DATE_EPOCH"] ?? lastCommit("%ct");
  // Debian 12 and later unpack it; xz takes ten times as long for a twentieth less.
  const command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", tree, path];
  const env = { ...process.env, ...(time === null ? {} : { SOURCE_DATE_EPOCH: time }) };
  const { success, stderr } = Bun.spawnSync(command, { env });
  if (!success) throw new Error(`dpkg-deb: ${stderr.toString().trim()}`);
}

/** What git tells of the last commit by such a format; null where there is none. */
function lastCommit(format: string): string | null {
  const { success, stdout } = Bun.spawnSync(["git", "log", "-1", `--format=${format}`], { cwd: root });
  return success ? stdout.toString().trim() : null;
}

const filesIn = (tree: string): string[] =>
  readdirSync(tree, { recursive: true, encoding: "utf8" }).toSorted();

/** Modes that do not depend on who packs it. */
function normalize(tree: string): void {
  chmodSync(tree, 0o755);
  for (const name of filesIn(tree)) {
    const isProgram = statSync(join(tree, name)).isDirectory() || basename(dirname(name)) === "bin";
    chmodSync(join(tree, name), isProgram ? 0o755 : 0o644);
  }
}

function control(tree: string): void {
  const files = filesIn(tree).filter((name) => statSync(join(tree, name)).isFile());
  const bytes = files.reduce((sum, name) => sum + statSync(join(tree, name)).size, 0);
  const {
    DEBFULLNAME: name = lastCommit("%an") ?? "Fencepost's contributors",
    DEBEMAIL: email = lastCommit("%ae") ?? "fencepost@localhost",
  } = process.env;
  const folder = join(tree, "DEBIAN");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "control"),
    `Package: fencepost
Version: ${debVersion}
Architecture: ${architecture}
Maintainer: ${name} <${email}>
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.17)
Recommends: ${recommended.join(", ")}
Suggests: qemu-system-x86 (>= 1:7.2) | qemu-system, libvirt-daemon-system, mesa-vulkan-drivers
Section: otherosfs
Priority: optional
Description: virtio-gpu device server
 The host side of a virtual machine's graphics card, as a process of its own beside
 the VMM: QEMU, libvirt or crosvm share a guest's memory and queues with it over
 vhost-user. It runs the guest's 2D and 3D commands and shows the picture, and tells
 a browser, a program or a recording what the guest does.
`,
  );
  const sums = files.map((file) => {
    const hash = new Bun.CryptoHasher("md5").update(readFileSync(join(tree, file))).digest("hex");
    return `${hash}  ${file}\n`;
  });
  writeFileSync(join(folder, "md5sums"), sums.join(""));
  for (const [script, text] of Object.entries(scripts)) {
    writeFileSync(join(folder, script), text);
    chmodSync(join(folder, script), 0o755);
  }
}

const reload = "if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi";
/** A system without systemd has no use for the units' user. */
const scripts = {
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ] && command -v systemd-sysusers >/dev/null; then
  systemd-sysusers fencepost.conf
  ${reload}
fi
`,
  prerm: `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl stop 'fencepost@*.socket' 'fencepost@*.service' fencepost.socket || true
fi
`,
  postrm: `#!/bin/sh
set -e
${reload}
`,
};

function copyright(): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Fencepost

Files: *
Copyright: Fencepost's contributors
License: Apache-2.0
 On Debian systems the whole text is in /usr/share/common-licenses/Apache-2.0.
 .
 usr/bin/fencepost has Bun (https://bun.com) in it, with the licenses that it names.
`;
}
