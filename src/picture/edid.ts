// EDID of an output that exists only in a virtual machine: VESA E-EDID 1.4, with a DisplayID 1.3 extension for modes
// that a detailed timing descriptor can't hold. The guest's driver takes its preferred mode from here.

/** Bytes of one block; the base block and every extension are as long. */
const edidBlockBytes = 128;
const edidBytesMax = 1024;
const extensionCountAt = 126;
const magic = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];

const refreshHz = 60;
const dotsPerInch = 96;
const mmPerInch = 25.4;
const descriptorBytes = 18;
const descriptorsAt = 54;
const modelYear = 2026;
/** "FPT", five bits a letter. */
const manufacturer = [0x1a, 0x14];
/** 640 × 480, 800 × 600 and 1024 × 768 at 60 Hz: modes that every guest may fall back to. */
const establishedTimings = [0x21, 0x08, 0x00];
/** Red, green, blue and white of sRGB, in the two-part coding of §3.7. */
const chromaticity = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];

/** Pixels and lines of a mode, blanking parts included. The clock is in units of 10 kHz. */
interface Timing {
  width: number;
  hBlank: number;
  hFront: number;
  hSync: number;
  height: number;
  vBlank: number;
  vFront: number;
  vSync: number;
  clock: number;
}

/**
 * The EDID of output `index` (0 to 15), whose preferred mode is `width` × `height` pixels at 60 Hz. Sizes up to
 * 65,536 are exact. 128 bytes, or 256 where the mode needs an extension.
 */
export function generateEdid(width: number, height: number, index: number): Uint8Array<ArrayBuffer> {
  const preferred = reducedBlanking(clamp(width, 1, 65_536), clamp(height, 1, 65_536));
  const fits = preferred.width <= 4095 && preferred.height <= 4095 && preferred.clock <= 0xffff;
  const edid = new Uint8Array(fits ? edidBlockBytes : 2 * edidBlockBytes);
  writeBase(edid, preferred, fits ? preferred : reducedBlanking(1920, 1080), index);
  if (!fits) writeDisplayId(edid.subarray(edidBlockBytes), preferred);
  return edid;
}

/**
 * The blocks of `bytes` that the first of them counts, or null where there is no such EDID: it may then be handed to
 * a guest, which trusts the count. QEMU fills all of the 1024 bytes that the field has, however few it means.
 */
export function soundEdid(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  if (bytes.length < edidBlockBytes || magic.some((byte, index) => bytes[index] !== byte)) return null;
  const length = (1 + bytes[extensionCountAt]!) * edidBlockBytes;
  return length <= Math.min(bytes.length, edidBytesMax) ? bytes.subarray(0, length) : null;
}

/** The refresh rate of the preferred mode, in hertz; NaN where the base block has no detailed timing of it. */
export function refreshOf(edid: Uint8Array): number {
  const at = (offset: number): number => edid[descriptorsAt + offset]!;
  const clock = (at(0) | (at(1) << 8)) * 10_000;
  if (clock === 0) return Number.NaN;
  // §3.10.2: the low bytes of two lengths, and then their high halves.
  const total = (low: number): number =>
    at(low) + at(low + 1) + ((at(low + 2) >> 4) << 8) + ((at(low + 2) & 15) << 8);
  return clock / (total(2) * total(5));
}

/** CVT reduced blanking (VESA CVT 1.2 §5.4), without its rounding of the width to multiples of 8. */
function reducedBlanking(width: number, height: number): Timing {
  const vSync = verticalSync(width, height);
  const [vFront, vBackMin, vBlankUsMin] = [3, 6, 460];
  const lineUs = (1e6 / refreshHz - vBlankUsMin) / height;
  const vBlank = Math.max(Math.floor(vBlankUsMin / lineUs) + 1, vFront + vSync + vBackMin);
  const hBlank = 160;
  const clock = Math.round(((width + hBlank) * (height + vBlank) * refreshHz) / 10_000);
  return { width, hBlank, hFront: 48, hSync: 32, height, vBlank, vFront, vSync, clock };
}

/** CVT tells the aspect ratio by the length of the vertical sync. */
function verticalSync(width: number, height: number): number {
  const ratios = [
    [4, 3, 4],
    [16, 9, 5],
    [16, 10, 6],
    [5, 4, 7],
    [15, 9, 7],
  ] as const;
  return ratios.find(([w, h]) => width * h === height * w)?.[2] ?? 10;
}

function writeBase(edid: Uint8Array, preferred: Timing, detailed: Timing, index: number): void {
  const data = new DataView(edid.buffer, edid.byteOffset, edidBlockBytes);
  edid.set(magic, 0);
  edid.set(manufacturer, 8);
  data.setUint16(10, 1, true);
  data.setUint32(12, index + 1, true);
  // Week 255 says that the year is the model's.
  edid.set([0xff, modelYear - 1990, 1, 4], 16);
  // Digital, 8 bits a colour, interface not defined.
  edid[20] = 0xa0;
  edid[21] = clamp(Math.round(millimetres(preferred.width) / 10), 1, 255);
  edid[22] = clamp(Math.round(millimetres(preferred.height) / 10), 1, 255);
  // Gamma 2.2; RGB 4:4:4, sRGB is the default colour space, the preferred timing is the native one.
  edid.set([120, 0x06], 23);
  edid.set(chromaticity, 25);
  edid.set(establishedTimings, 35);
  // Standard timings: none of the eight is used.
  edid.fill(0x01, 38, 54);
  const descriptor = (slot: number) =>
    edid.subarray(descriptorsAt + slot * descriptorBytes, descriptorsAt + (slot + 1) * descriptorBytes);
  writeDetailedTiming(descriptor(0), detailed);
  writeText(descriptor(1), 0xfc, "Fencepost");
  writeRangeLimits(descriptor(2), preferred);
  writeText(descriptor(3), 0xff, `output ${index}`);
  edid[extensionCountAt] = edid.length / edidBlockBytes - 1;
  setChecksum(edid.subarray(0, edidBlockBytes));
}

/** E-EDID §3.10.2. The low bits of most fields come first, their high bits share bytes. */
function writeDetailedTiming(bytes: Uint8Array, timing: Timing): void {
  const { width, hBlank, hFront, hSync, height, vBlank, vFront, vSync, clock } = timing;
  const widthMm = clamp(millimetres(width), 1, 4095);
  const heightMm = clamp(millimetres(height), 1, 4095);
  bytes.set([
    clock & 0xff,
    clock >> 8,
    width & 0xff,
    hBlank & 0xff,
    ((width >> 8) << 4) | (hBlank >> 8),
    height & 0xff,
    vBlank & 0xff,
    ((height >> 8) << 4) | (vBlank >> 8),
    hFront & 0xff,
    hSync & 0xff,
    (vFront << 4) | (vSync & 0xf),
    ((hFront >> 8) << 6) | ((hSync >> 8) << 4),
    widthMm & 0xff,
    heightMm & 0xff,
    ((widthMm >> 8) << 4) | (heightMm >> 8),
    0,
    0,
    // Digital separate sync; horizontal positive, vertical negative, which is CVT's mark of reduced blanking.
    0x1a,
  ]);
}

/** A text descriptor (§3.10.3): at most 13 characters, ended by a line feed and padded with spaces. */
function writeText(bytes: Uint8Array, tag: number, text: string): void {
  bytes.set([0, 0, 0, tag, 0]);
  bytes.set(new TextEncoder().encode(`${text}\n`.padEnd(13, " ").slice(0, 13)), 5);
}

/** Display range limits (§3.10.3.3.1), wide enough for the preferred mode and the established ones. */
function writeRangeLimits(bytes: Uint8Array, { width, hBlank, clock }: Timing): void {
  const lineKhz = (clock * 10) / (width + hBlank);
  const lineKhzMin = clamp(Math.floor(lineKhz), 1, 30);
  const lineKhzMax = clamp(Math.ceil(lineKhz) + 1, 50, 510);
  // Rates above 255 kHz are written with an offset of 255.
  const offsets = lineKhzMax > 255 ? 0x08 : 0;
  const clockMaxIn10Mhz = clamp(Math.ceil(clock / 1000), 7, 255);
  bytes.set([0, 0, 0, 0xfd, offsets, 50, 75, lineKhzMin]);
  bytes.set([lineKhzMax > 255 ? lineKhzMax - 255 : lineKhzMax, clockMaxIn10Mhz], 8);
  // Limits only, no formula for timings; the rest is padding.
  bytes.set([0x01, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20], 10);
}

/** A DisplayID 1.3 section with one detailed timing of type I, which is the preferred one. */
function writeDisplayId(block: Uint8Array, timing: Timing): void {
  const data = new DataView(block.buffer, block.byteOffset, block.length);
  const sectionBytes = 23;
  // Extension tag; then the section: version, length, use (a standalone display), further extensions.
  block.set([0x70, 0x13, sectionBytes, 0x03, 0]);
  // The data block: tag, revision, length.
  block.set([0x03, 0, 20], 5);
  data.setUint16(8, (timing.clock - 1) & 0xffff, true);
  block[10] = (timing.clock - 1) >> 16;
  // Preferred, progressive, aspect ratio not given.
  block[11] = 0x88;
  // The top bit of a sync offset says that its polarity is positive.
  const { width, hBlank, hFront, hSync, height, vBlank, vFront, vSync } = timing;
  const fields = [width, hBlank, hFront, hSync, height, vBlank, vFront, vSync];
  fields.forEach((value, index) => data.setUint16(12 + 2 * index, value - 1, true));
  block[17]! |= 0x80;
  const section = block.subarray(1, 1 + 4 + sectionBytes + 1);
  setChecksum(section);
  setChecksum(block);
}

const millimetres = (pixels: number): number => Math.round((pixels * mmPerInch) / dotsPerInch);

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** Makes the bytes add up to 0 modulo 256. */
function setChecksum(bytes: Uint8Array): void {
  let sum = 0;
  for (let index = 0; index < bytes.length - 1; index++) sum += bytes[index]!;
  bytes[bytes.length - 1] = -sum & 0xff;
}
