// What the guest's program says of itself in its report page, read from the memory's descriptor: see used-rings.ts. A guest may
// say anything there.

import { libc } from "../../src/ffi/libc.ts";
import { sizeOfFd } from "../../src/transport/os/fds.ts";
import { Address, ReportPage } from "./layout.ts";

export class Report {
  constructor(private readonly memoryFd: number) {}

  get commands(): number {
    return this.word(ReportPage.commands);
  }

  get interrupts(): number {
    return this.word(ReportPage.interrupts);
  }

  /** Interrupts for which the device had no reason. */
  get idleInterrupts(): number {
    return this.word(ReportPage.idleInterrupts);
  }

  /** Changes of the config space that it was interrupted for. */
  get configChanges(): number {
    return this.word(ReportPage.configChanges);
  }

  get kicks(): number {
    return this.word(ReportPage.kicks);
  }

  get sampleCount(): number {
    return this.word(ReportPage.sampleCount);
  }

  /** In ticks of the guest's time-stamp counter; of those that it claims, as many as its memory holds. */
  samples(): Uint32Array {
    const address = this.word(ReportPage.samplesAddress);
    const room = Math.floor((sizeOfFd(this.memoryFd) - address) / Uint32Array.BYTES_PER_ELEMENT);
    const samples = new Uint32Array(Math.max(0, Math.min(this.sampleCount, room)));
    if (samples.length > 0) libc.pread(this.memoryFd, samples, samples.byteLength, address);
    return samples;
  }

  /** Where the program gave up, and the value that it did not expect. */
  failure(): string {
    const file = new Uint8Array(ReportPage.failedFileBytes);
    libc.pread(this.memoryFd, file, file.length, Address.report + ReportPage.failedFile);
    const [text] = new TextDecoder().decode(file).split("\0", 1);
    // A terminal would act on the others.
    const name = text!.replaceAll(/[^ -~]/g, "?");
    const value = this.word(ReportPage.failedValue).toString(16);
    return `${name} line ${this.word(ReportPage.failedLine)} did not expect 0x${value}`;
  }

  private word(offset: number): number {
    const word = new Uint32Array(1);
    libc.pread(this.memoryFd, word, 4, Address.report + offset);
    return word[0]!;
  }
}
