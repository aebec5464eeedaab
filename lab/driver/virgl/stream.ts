// A virgl command stream: 32-bit words, each command a header of number, object type and length, then its payload.

const float = new Float32Array(1);
const floatWord = new Uint32Array(float.buffer);
const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/** The header's length field. */
const payloadWordsMax = 0xffff;

/** Made once and reset for each frame, it allocates nothing until a frame is larger than all before. */
export class CommandStream {
  /** Words written. */
  length = 0;
  private words: Uint32Array<ArrayBuffer>;
  private header = 0;

  constructor(capacityWords = 1024) {
    this.words = new Uint32Array(capacityWords);
  }

  /** What SUBMIT_3D takes: a view, valid until the next change. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.words.buffer, 0, this.length * 4);
  }

  /** Forgets everything written. */
  reset(): this {
    this.length = 0;
    return this;
  }

  /** Starts a command; the words until {@link end} are its payload. */
  begin(command: number, objectType = 0): void {
    this.header = this.length;
    this.word(command | (objectType << 8));
  }

  /** Completes the command's header. Throws RangeError when the payload is longer than a header can say. */
  end(): void {
    const payload = this.length - this.header - 1;
    if (payload > payloadWordsMax) throw new RangeError(`a command of ${payload} words is too long`);
    this.words[this.header] = (this.words[this.header]! | (payload << 16)) >>> 0;
  }

  /** Signed values wrap to their two's complement. */
  word(value: number): void {
    if (this.length === this.words.length) this.reserve(1);
    this.words[this.length++] = value;
  }

  float(value: number): void {
    float[0] = value;
    this.word(floatWord[0]!);
  }

  double(value: number): void {
    double[0] = value;
    this.word(doubleWords[0]!);
    this.word(doubleWords[1]!);
  }

  /** The last word is filled up with zeros. */
  data(bytes: Uint8Array): void {
    const words = Math.ceil(bytes.length / 4);
    this.reserve(words);
    this.words[this.length + words - 1] = 0;
    new Uint8Array(this.words.buffer).set(bytes, this.length * 4);
    this.length += words;
  }

  private reserve(words: number): void {
    let capacity = this.words.length;
    while (capacity < this.length + words) capacity *= 2;
    if (capacity === this.words.length) return;
    const larger = new Uint32Array(capacity);
    larger.set(this.words);
    this.words = larger;
  }
}
