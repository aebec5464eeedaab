// A serial port that only sends, such as a kernel's early console wants: COM1 of a PC.

const Register = { DATA: 0, INTERRUPT_ID: 2, LINE_CONTROL: 3, LINE_STATUS: 5 } as const;
const noInterrupt = 1;
/** In the line's control: the first two registers are the rate's. */
const rateAccess = 0x80;
/** In its status: there is room to send. */
const isEmpty = 0x60;
const lineBytesMax = 4096;

export const serialPorts = { first: 0x3f8, count: 8 } as const;

export class SerialPort {
  private lineControl = 0;
  private line = "";

  /** `said` is told each line. */
  constructor(private readonly said: (line: string) => void) {}

  read(register: number): number {
    if (register === Register.LINE_STATUS) return isEmpty;
    if (register === Register.INTERRUPT_ID) return noInterrupt;
    return register === Register.LINE_CONTROL ? this.lineControl : 0;
  }

  write(register: number, value: number): void {
    if (register === Register.LINE_CONTROL) this.lineControl = value;
    if (register !== Register.DATA || this.lineControl & rateAccess) return;
    const character = String.fromCharCode(value & 0xff);
    if (character === "\n" || this.line.length >= lineBytesMax) {
      this.said(this.line.replaceAll(/[^ -~]/g, ""));
      this.line = "";
    } else this.line += character;
  }
}
