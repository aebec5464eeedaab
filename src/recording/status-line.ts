// One line on standard error that says how far a program is with a recording, where it takes its time.

/** What is over sooner needs no word. */
const quietMs = 2_000;
const everyMs = { terminal: 200, file: 5_000 };

export class StatusLine {
  private next = performance.now() + quietMs;
  private isOpen = false;

  /** Says what `text` returns, which is called only where it is time. */
  tell(text: () => string): void {
    const now = performance.now();
    if (now < this.next) return;
    const { isTTY } = process.stderr;
    this.next = now + (isTTY ? everyMs.terminal : everyMs.file);
    process.stderr.write(isTTY ? `\r${text()}\x1b[K` : `${text()}\n`);
    this.isOpen = isTTY;
  }

  end(): void {
    if (this.isOpen) process.stderr.write("\r\x1b[K");
    this.isOpen = false;
  }
}
