// What the reader of a document has: a checkout to type its commands in, a folder of sockets, and a VM in front of the
// server that a page starts.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { qemus } from "../../../lab/qemu/cache.ts";
import { root } from "./documents.ts";
import { Job } from "./job.ts";

/** Another place for what a page has in its reader's. */
const places = /\/tmp\/|\/run\/user\/1000\/|\/run\/vm\/|\/run\/fencepost\//g;
const inspectorAddress = /"?http:\/\/127\.0\.0\.1:8088\/\?token=…"?|\bURL\b/g;

export class ReaderShell {
  private readonly folder = mkdtempSync(join(tmpdir(), "fencepost-reader-"));
  private readonly port = String(freePort());
  private server: Job | null = null;
  private guest: Job | null = null;
  /** What goes on in another shell. */
  private held: Job | null = null;
  private remembered = "";
  private socket = "";
  private url = "";

  /** `compositor`: the socket of the reader's compositor, where there is one. */
  constructor(compositor: string | null) {
    if (compositor !== null) {
      for (const name of ["wayland-0", "wayland-1"]) symlinkSync(compositor, join(this.folder, name));
    }
    // What a command writes is not to lie in the checkout.
    for (const name of readdirSync(root)) {
      if (name !== ".git" && name !== "build") symlinkSync(join(root, name), join(this.folder, name));
    }
    const programs = join(this.folder, "programs");
    mkdirSync(programs);
    symlinkSync(join(root, "bin/fencepost"), join(programs, "fencepost"));
    writeFileSync(join(programs, "qemu-system-x86_64"), qemuScript);
    chmodSync(join(programs, "qemu-system-x86_64"), 0o755);
  }

  /** Has it done before each command from now on. */
  remember(command: string): void {
    this.remembered += `${command}\n`;
  }

  /** Runs it to its end, which has to be a good one. */
  async run(command: string): Promise<void> {
    const job = this.start(this.here(command));
    if ((await job.ended()) !== 0) throw job.failure();
  }

  /** Runs it until it has said what is `shown`, and interrupts it. */
  async runUntil(command: string, shown: RegExp): Promise<void> {
    await this.begin(command, shown);
    await this.endHeld();
  }

  /** Runs it on in another shell once it has said what is `shown`. */
  async begin(command: string, shown: RegExp): Promise<void> {
    await this.endHeld();
    const job = this.start(this.here(command));
    this.held = job;
    await job.until((text) => shown.test(text));
  }

  /** Runs it, and then interrupts what goes on in the other shell. */
  async release(command: string): Promise<void> {
    await this.run(command);
    await this.endHeld();
  }

  /** Runs it until there is something in the file that it writes, and interrupts it. */
  async runUntilWritten(command: string, file: string): Promise<void> {
    rmSync(join(this.folder, file), { force: true });
    const job = this.start(this.here(command));
    await job.until(() => Bun.file(join(this.folder, file)).size > 0);
    job.interrupt();
    await job.ended();
  }

  /** Starts a server in place of the last one, and a guest in front of it. */
  async serve(command: string): Promise<void> {
    await this.endServer();
    const server = this.start(this.here(command));
    this.server = server;
    const up = /(?:listens|Listening) on (\S+[^\s.])/;
    const isInspected = command.includes("--inspect");
    await server.until((text) => up.test(text) && (!isInspected || text.includes("token=")));
    this.socket = up.exec(server.text)![1]!;
    this.url = /http:\/\/127\S+token=\w+/.exec(server.text)?.[0] ?? "";
    await this.boot();
  }

  /** Has a VMM in place of the guest, until the server has it. */
  async runVmm(command: string): Promise<void> {
    await this.endGuest();
    await this.until("listening");
    const vmm = this.start(this.here(command));
    await vmm.until(async () => (await this.device()) !== "listening");
    vmm.interrupt("SIGTERM");
    await vmm.ended();
    if (this.server?.hasEnded !== false) throw new Error("the server has ended");
    await this.boot();
  }

  /** Runs what is a VMM, and ends by itself. */
  async runVmmToEnd(command: string): Promise<void> {
    await this.endGuest();
    await this.until("listening");
    await this.run(command);
    await this.boot();
  }

  async end(): Promise<void> {
    await this.endHeld();
    await this.endServer();
    rmSync(this.folder, { recursive: true });
  }

  private async endHeld(): Promise<void> {
    this.held?.interrupt();
    await this.held?.ended();
    this.held = null;
  }

  private async boot(): Promise<void> {
    const guest = this.start(`exec bun ${join(import.meta.dir, "guest.ts")} ${this.socket}`);
    this.guest = guest;
    await guest.until((text) => text.includes("shows"));
  }

  private async endGuest(): Promise<void> {
    this.guest?.interrupt("SIGKILL");
    await this.guest?.ended();
    this.guest = null;
  }

  private async endServer(): Promise<void> {
    await this.endGuest();
    this.server?.interrupt();
    await this.server?.ended();
    this.server = null;
  }

  private async until(device: string): Promise<void> {
    await this.server!.until(async () => (await this.device()) === device);
  }

  /** The state of the server's device. */
  private async device(): Promise<string> {
    const asked = this.start(`bun run ctl --control-path ${this.socket}.ctl status`);
    if ((await asked.ended()) !== 0) throw asked.failure();
    return /"device": "(\w+)"/.exec(asked.text)![1]!;
  }

  /** What the reader types for it. */
  private here(command: string): string {
    return (
      command
        .replaceAll(inspectorAddress, `"${this.url}"`)
        .replaceAll(places, `${this.folder}/`)
        .replaceAll("8088", this.port)
        .replace(/ …$/, "")
        // On its reader's terminal it keeps no line back.
        .replace(/\| jq /, "| jq --unbuffered ")
        // Three seconds of a large screen are no better.
        .replace(/^bun run demo(?!.*--(?:inspect|kvm))/, "$& --size 640x400")
        .replace(/^bun run demo(?!.*--inspect)/, "$& --seconds 0.2")
    );
  }

  private start(text: string): Job {
    const kept = Object.entries(process.env).filter(([name]) => !/^FENCEPOST_|^WAYLAND_DISPLAY$/.test(name));
    const env = {
      ...Object.fromEntries(kept),
      PATH: `${join(this.folder, "programs")}:${process.env["PATH"]}`,
      XDG_RUNTIME_DIR: this.folder,
      // Looking for Vulkan takes as long as many a command: those about it ask for it.
      FENCEPOST_VULKAN: "off",
      TOKEN: this.url.split("token=")[1] ?? "",
    } as Record<string, string>;
    // Where a URL is wanted on standard input.
    return new Job(this.remembered + text, this.folder, env, `${this.url}\n`);
  }
}

/** The one that has the device that is asked for. Nobody looks at its display. */
const qemuScript = `#!/bin/sh
case "$*" in
${Object.entries(qemus)
  .toReversed()
  .map(([version, { command, modules, data }]) => {
    const folders = data.map((path) => `-L '${path}'`).join(" ");
    const pattern = version === "10" ? "*" : "*vhost-user-test-device*";
    return `  ${pattern}) QEMU_MODULE_DIR='${modules}' exec ${command.join(" ")} ${folders} -display none -nic none "$@" ;;`;
  })
  .join("\n")}
esac
`;

function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}
