// What the guest's GL driver reads in capset VIRGL2 (struct virgl_caps_v2).

const rendererOffset = 696;
const rendererBytesMax = 64;

/** The name of the GL driver that the renderer runs on. */
export function rendererName(capset: Uint8Array): string {
  const bytes = capset.subarray(rendererOffset, rendererOffset + rendererBytesMax);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)).trim();
}
