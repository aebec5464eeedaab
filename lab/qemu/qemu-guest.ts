// A Linux guest in QEMU: started, driven through its serial port and QMP, and ended.

import { bound } from "../bound-child.ts";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { qemus } from "./cache.ts";
import { within } from "./deadline.ts";
import { GuestSerial } from "./guest-serial.ts";
import { type Image, readPpm } from "./image.ts";
import { gpuId, type GuestOptions, qemuArgs, qemuVersionOf } from "./qemu-args.ts";
import { Qmp } from "./qmp.ts";

const connectTimeoutMs = 10_000;
const bootTimeoutMs = 90_000;
const exitTimeoutMs = 5_000;
const logTailLines = 15;

export class QemuGuest {
  private constructor(
    readonly qmp: Qmp,
    readonly serial: GuestSerial,
    /** QEMU's messages (qemu.log) and the guest's console (console.log) are kept here. */
    readonly logDirectory: string,
    private readonly child: Bun.Subprocess,
    private readonly runDirectory: string,
  ) {}

  /** Starts QEMU and waits until the guest takes commands. `signal` ends QEMU, and fails whatever waits for it. */
  static async boot(options: GuestOptions, logDirectory: string, signal?: AbortSignal): Promise<QemuGuest> {
    const guest = await QemuGuest.start(options, logDirectory, signal);
    try {
      await guest.waitForBoot(1);
      return guest;
    } catch (error) {
      await guest.stop();
      throw error;
    }
  }

  /** Starts QEMU and connects to it; its guest boots meanwhile. */
  static async start(options: GuestOptions, logDirectory: string, signal?: AbortSignal): Promise<QemuGuest> {
    mkdirSync(logDirectory, { recursive: true });
    // Sockets live apart from the logs: a socket's path holds at most 107 bytes.
    const runDirectory = mkdtempSync(join(tmpdir(), "fencepost-guest-"));
    const paths = {
      qmpSocket: join(runDirectory, "qmp"),
      serialSocket: join(runDirectory, "serial"),
      consoleLog: join(logDirectory, "console.log"),
    };
    // One descriptor for both: two would overwrite each other's lines.
    const log = openSync(join(logDirectory, "qemu.log"), "w");
    const qemu = qemus[qemuVersionOf(options)];
    const child = Bun.spawn(bound([...qemu.command, ...qemuArgs(options, paths)]), {
      env: { ...process.env, QEMU_MODULE_DIR: qemu.modules, ...options.env },
      stdin: "ignore",
      stdout: log,
      stderr: log,
      // A terminal's Ctrl-C is for whoever started it.
      detached: true,
      ...(signal === undefined ? {} : { signal }),
    });
    closeSync(log);
    const ended = child.exited.then((code): never => {
      throw new Error(`QEMU ended with code ${code}\n${tail(join(logDirectory, "qemu.log"))}`);
    });
    // Handled below; after that the connections tell of the end.
    ended.catch(() => {
      // Said to whoever waits for a connection.
    });
    try {
      const connections = Promise.all([
        Qmp.connect(paths.qmpSocket, connectTimeoutMs),
        GuestSerial.connect(paths.serialSocket, connectTimeoutMs),
      ]);
      const [qmp, serial] = await Promise.race([connections, ended]);
      return new QemuGuest(qmp, serial, logDirectory, child, runDirectory);
    } catch (error) {
      child.kill("SIGKILL");
      rmSync(runDirectory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Waits until the guest has booted `count` times in all; returns its kernel's release. */
  async waitForBoot(count: number): Promise<string> {
    const ended = this.child.exited.then((code) => {
      throw new Error(`QEMU ended with code ${code}`);
    });
    return await this.explained(
      Promise.race([this.serial.waitForBoot(count, bootTimeoutMs), ended as Promise<never>]),
    );
  }

  /** Runs a command of the program in the guest; returns its data lines, of which `onData` hears as they come. */
  async run(command: string, timeoutMs?: number, onData?: (line: string) => void): Promise<string[]> {
    return await this.explained(this.serial.run(command, timeoutMs, onData));
  }

  /** Restarts the guest from within and waits until it takes commands again. */
  async reboot(): Promise<void> {
    const boots = this.serial.boots;
    await this.run("reboot");
    await this.waitForBoot(boots + 1);
  }

  /** What QEMU shows on output `head`: nothing with the generic device. The cursor is not in it. */
  async screendump(head: number): Promise<Image> {
    const filename = join(this.runDirectory, `head-${head}.ppm`);
    await this.explained(this.qmp.execute("screendump", { filename, format: "ppm", device: gpuId, head }));
    return readPpm(await Bun.file(filename).bytes());
  }

  /** QEMU's process. */
  get pid(): number {
    return this.child.pid;
  }

  /** QEMU's run state, such as "running". */
  async status(): Promise<string> {
    const { status } = (await this.qmp.execute("query-status")) as { status: string };
    return status;
  }

  /** Ends QEMU as a crash would: nothing of it says goodbye. `stop` is still to be called. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }

  /** Ends QEMU, by force if need be, and removes its sockets; the logs stay. */
  async stop(): Promise<void> {
    this.qmp.execute("quit").catch(() => {
      // It may have ended already, which is what is wanted.
    });
    try {
      await within("QEMU to quit", this.child.exited, exitTimeoutMs);
    } catch {
      // Nothing but the time-out: it hangs.
      this.child.kill("SIGKILL");
      await this.child.exited;
    }
    this.qmp.close();
    this.serial.close();
    rmSync(this.runDirectory, { recursive: true, force: true });
  }

  /** An error of the guest's with the last that QEMU and the guest's kernel said. */
  private async explained<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      const logs = ["qemu.log", "console.log"].map(
        (name) => `${name}:\n${tail(join(this.logDirectory, name))}`,
      );
      throw new Error(`${(error as Error).message}\n${logs.join("\n")}`, { cause: error });
    }
  }
}

function tail(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-logTailLines).join("\n");
  } catch {
    // The log explains a failure, and must not hide it by one of its own.
    return "(none)";
  }
}
