// Pictures for what is recorded: how much of them there is to keep differs by a thousand times.

/** What frames hold: a colour each, a desktop on which a window moves, or noise, which is as good as a film. */
export const contents = ["flat", "desktop", "film"] as const;
export type Content = (typeof contents)[number];

const background = 0xff_f0_f0_f0;
const ink = 0xff_20_20_20;
const line = { height: 20, letters: 12 };
const pageShare = 0.7;
const window = { width: 408, height: 308 };
/** What crypto gives at a time. */
const noiseBytes = 65_536;

/** Fills `pixels` with frame `number` of `width` pixels a row. */
export function paint(content: Content, pixels: Uint32Array, width: number, number: number): void {
  if (content === "flat") pixels.fill(number * 0x01_03_05 + 1);
  else if (content === "film") fillWithNoise(pixels);
  else paintDesktop(pixels, width, number);
}

function fillWithNoise(pixels: Uint32Array): void {
  const bytes = new Uint8Array(pixels.buffer as ArrayBuffer, pixels.byteOffset, pixels.byteLength);
  for (let at = 0; at < bytes.length; at += noiseBytes) {
    crypto.getRandomValues(bytes.subarray(at, at + noiseBytes));
  }
}

/** Lines of letters, one pixel in three, and a window on them that is elsewhere in each frame. */
function paintDesktop(pixels: Uint32Array, width: number, number: number): void {
  let chance = 1;
  for (let at = 0; at < pixels.length; at++) {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
    const isText = Math.floor(at / width) % line.height < line.letters && at % width < width * pageShare;
    pixels[at] = isText && chance >>> 28 < 5 ? ink : background;
  }
  const height = pixels.length / width;
  const [left, top] = [(number * 97) % (width - window.width), (number * 61) % (height - window.height)];
  for (let row = top; row < top + window.height; row++) {
    pixels.fill(0xff_33_44_55, row * width + left, row * width + left + window.width);
  }
}
