// UUIDs (RFC 9562): as text they have 36 letters, small ones, and on the wire 16 bytes in the text's order.

export const uuidBytes = 16;
const form = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/;

/** The UUID that `text` writes, with or without its dashes and in letters of any size; null for what is none. */
export function parseUuid(text: string): string | null {
  const parts = form.exec(text.toLowerCase());
  return parts === null ? null : parts.slice(1).join("-");
}

/** Writes a UUID's bytes. */
export function writeUuid(uuid: string, into: Uint8Array): void {
  into.setFromHex(uuid.replaceAll("-", ""));
}

export const readUuid = (bytes: Uint8Array): string => parseUuid(bytes.subarray(0, uuidBytes).toHex())!;
