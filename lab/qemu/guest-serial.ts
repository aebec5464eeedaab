// The serial port through which the program in the guest (lab/guest) takes commands.

import { until, within } from "./deadline.ts";
import { LineConnection } from "./line-connection.ts";

const commandTimeoutMs = 30_000;
const ignore = (_line: string): void => {};

export class GuestSerial {
  private connection: LineConnection | null = null;
  private data: string[] = [];
  private onData: (line: string) => void = ignore;
  private answered: { resolve(data: string[]): void; reject(error: Error): void } | null = null;
  private bootCount = 0;
  private release = "";

  static async connect(path: string, timeoutMs: number): Promise<GuestSerial> {
    const serial = new GuestSerial();
    serial.connection = await LineConnection.open(
      path,
      {
        line: (text) => serial.receive(text),
        closed: () => serial.settle((wait) => wait.reject(new Error("QEMU closed the serial port"))),
      },
      timeoutMs,
    );
    return serial;
  }

  /** How often the guest has booted as far as its program. */
  get boots(): number {
    return this.bootCount;
  }

  /** Waits until the guest has booted `count` times in all; returns its kernel's release. */
  waitForBoot(count: number, timeoutMs: number): Promise<string> {
    const what = count === 1 ? "the guest to boot" : `the guest's boot number ${count}`;
    return until(what, () => (this.bootCount >= count ? this.release : undefined), timeoutMs);
  }

  /**
   * Runs a command, one at a time; returns its data lines, of which `onData` hears as they come. Throws what the guest
   * says against it.
   */
  async run(command: string, timeoutMs = commandTimeoutMs, onData = ignore): Promise<string[]> {
    if (this.answered !== null) throw new Error(`the guest is still busy; ${command} was not sent`);
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    this.data = [];
    this.onData = onData;
    this.answered = { resolve, reject };
    this.connection!.send(command);
    try {
      return await within(`the guest's answer to "${command}"`, promise, timeoutMs);
    } finally {
      this.answered = null;
    }
  }

  close(): void {
    this.connection?.close();
  }

  private receive(line: string): void {
    if (line.startsWith("- ")) this.receiveData(line.slice(2));
    else if (line.startsWith("ok")) this.settle((wait) => wait.resolve(this.data));
    else if (line.startsWith("error"))
      this.settle((wait) => wait.reject(new Error([...this.data, `guest: ${line}`].join("\n"))));
    else if (line.startsWith("ready ")) {
      this.release = line.slice("ready ".length);
      this.bootCount++;
    }
  }

  private receiveData(line: string): void {
    this.data.push(line);
    this.onData(line);
  }

  private settle(how: (wait: NonNullable<typeof this.answered>) => void): void {
    const wait = this.answered;
    this.answered = null;
    if (wait !== null) how(wait);
  }
}
