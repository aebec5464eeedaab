// A test guest that libvirt starts, with the graphics card that its capability files name. It takes no daemon: virt-qemu-run is
// libvirt's QEMU driver in a process of its own. What that looks for in /etc lies in an overlay that nobody else sees.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bound } from "../bound-child.ts";
import { initramfsPath, kernelPath, qemus } from "./cache.ts";
import { GuestSerial } from "./guest-serial.ts";

const kernel = "6.12";
const connectTimeoutMs = 30_000;

/** Who is not root is it in a namespace of users. */
const asRoot = process.getuid!() === 0 ? [] : ["--user", "--map-root-user"];

export interface LibvirtSetup {
  /** An empty folder of a short path. */
  folder: string;
  /** The program that serves the graphics card, as an absolute path. */
  binary: string;
  /** /etc/fencepost.json */
  settings: Readonly<Record<string, unknown>>;
  /** What stands inside of the domain's video model, such as an acceleration. */
  acceleration: string;
}

/** As packages of libvirt make them, and tests do not have them. */
const user = "libvirt-qemu:x:64055:64055:Libvirt Qemu:/nonexistent:/usr/sbin/nologin\n";
const groups = "libvirt-qemu:x:64055:\nkvm:x:64054:\n";

const driverConfig = `user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
`;

export class LibvirtGuest {
  private constructor(
    readonly serial: GuestSerial,
    private readonly child: Bun.Subprocess,
    private readonly folder: string,
  ) {}

  /** Starts the domain; its guest boots meanwhile. Throws with what libvirt says where it does not start. */
  static async start(setup: LibvirtSetup): Promise<LibvirtGuest> {
    const { folder } = setup;
    prepare(setup);
    const mounted = `mount -t overlay overlay -o lowerdir=/etc,upperdir=${folder}/etc,workdir=${folder}/work /etc`;
    const run = `exec virt-qemu-run -r ${folder}/root ${folder}/domain.xml >${folder}/libvirt.log 2>&1`;
    const child = Bun.spawn(
      bound([
        "unshare",
        ...asRoot,
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        `${mounted} && ${run}`,
      ]),
      { env: { PATH: process.env["PATH"]! }, stdio: ["ignore", "inherit", "inherit"] },
    );
    const ended = child.exited.then((code): never => {
      throw new Error(`virt-qemu-run ended with code ${code}\n${logOf(folder)}`);
    });
    ended.catch(() => {
      // Whoever waits for the serial port is told; later, whoever waits for the end.
    });
    const serial = await Promise.race([GuestSerial.connect(`${folder}/serial`, connectTimeoutMs), ended]);
    return new LibvirtGuest(serial, child, folder);
  }

  /** What libvirt has said. */
  log(): string {
    return logOf(this.folder);
  }

  /** Ends the domain as libvirt does when it is told to end. Returns its exit code. */
  async stop(): Promise<number> {
    this.serial.close();
    if (this.child.exitCode === null) this.child.kill("SIGTERM");
    return await this.child.exited;
  }
}

function prepare({ folder, binary, settings, acceleration }: LibvirtSetup): void {
  for (const name of ["root/etc", "work", "etc/qemu/vhost-user"])
    mkdirSync(join(folder, name), { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  write("etc/passwd", readFileSync("/etc/passwd", "utf8") + user);
  write("etc/group", readFileSync("/etc/group", "utf8") + groups);
  write("etc/fencepost.json", JSON.stringify(settings));
  write(
    "etc/qemu/vhost-user/40-fencepost.json",
    JSON.stringify({ description: "Fencepost", type: "gpu", binary }),
  );
  write("root/etc/qemu.conf", driverConfig);
  const { command, modules, data } = qemus["10"];
  const folders = data.map((path) => `-L '${path}'`).join(" ");
  write("qemu", `#!/bin/sh\nQEMU_MODULE_DIR='${modules}' exec ${command.join(" ")} ${folders} "$@"\n`);
  chmodSync(join(folder, "qemu"), 0o755);
  write("domain.xml", domain(folder, acceleration));
}

/** libvirt 9 gives QEMU 10 an option that it lacks where a domain has no ACPI. */
const domain = (folder: string, acceleration: string): string => `<domain type="qemu">
  <name>fencepost-test</name>
  <memory unit="MiB">512</memory>
  <memoryBacking><source type="memfd"/><access mode="shared"/></memoryBacking>
  <vcpu>2</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <kernel>${kernelPath(kernel)}</kernel>
    <initrd>${initramfsPath(kernel)}</initrd>
    <cmdline>console=ttyS0 mitigations=off no_timer_check</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode="custom"><model>Nehalem</model></cpu>
  <devices>
    <emulator>${folder}/qemu</emulator>
    <serial type="file"><source path="${folder}/console.log"/><target port="0"/></serial>
    <serial type="unix"><source mode="bind" path="${folder}/serial"/><target port="1"/></serial>
    <video><model type="virtio">${acceleration}</model><driver name="vhostuser"/></video>
  </devices>
</domain>
`;

function logOf(folder: string): string {
  return ["libvirt.log", "console.log"]
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}
