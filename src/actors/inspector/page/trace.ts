// A trace that the page has made while the viewer wants it, and then hands to them.

import { signal } from "@preact/signals";
import { saveFile } from "./save-file.ts";

/** The browser may put a blob on its disk: what is read is kept in such as soon as it is so large. */
const blobBytes = 4 * 1024 * 1024;

/** Bytes so far of the trace that is being made; null while none is. */
export const tracedBytes = signal<number | null>(null);
/** Why the last one could not be made. */
export const traceError = signal("");

let stop: (() => void) | null = null;

/** Begins a trace, or ends the one that is being made. */
export function switchTrace(): void {
  if (tracedBytes.value === null) void trace();
  else stop?.();
}

async function trace(): Promise<void> {
  tracedBytes.value = 0;
  traceError.value = "";
  try {
    const response = await fetch("/api/trace");
    if (!response.ok) throw new Error((await response.text()).trim());
    const content = await read(response.body!.getReader());
    saveFile("fencepost.pftrace", content);
  } catch (error) {
    // Whatever it is, the viewer is told.
    traceError.value = (error as Error).message;
  }
  tracedBytes.value = null;
  stop = null;
}

/** Reads until it is stopped, or the server ends it. */
async function read(reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>): Promise<Blob> {
  stop = () => void reader.cancel();
  let whole = new Blob();
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const keep = (): void => {
    whole = new Blob([whole, ...parts]);
    [parts, bytes] = [[], 0];
  };
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      parts.push(next.value);
      bytes += next.value.length;
      tracedBytes.value = whole.size + bytes;
      if (bytes >= blobBytes) keep();
    }
  } catch {
    // The server has gone: what came until then is a trace as well.
  }
  return new Blob([whole, ...parts], { type: "application/octet-stream" });
}
