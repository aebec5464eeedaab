// Opens a recording of whatever version.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fileHeadBytes, fileMagic } from "./layout.ts";
import { growVersion1 } from "./growing-1.ts";
import type { GrowingRecording, ReadAt, Recording } from "./recording.ts";
import { RecordingError } from "./recording-error.ts";
import { openVersion1 } from "./version-1.ts";
import { growVersion2, openVersion2 } from "./version-2.ts";

/** Opens the recording at `path`. Throws a {@link RecordingError} for what is none, and an error of node:fs's. */
export function openRecording(path: string): Recording {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    return recordingFrom(readerOf(fd), size, () => closeSync(fd));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** As {@link openRecording}, of bytes that lie elsewhere. */
export function recordingFrom(readAt: ReadAt, size: number, close: () => void = () => {}): Recording {
  return versionOf(readAt).open(readAt, size, close);
}

/**
 * As {@link recordingFrom}, of what is still being written and has `size` bytes now; null where it is too little yet. Throws a
 * {@link RecordingError} for what can be none.
 */
export function growingFrom(
  readAt: ReadAt,
  size: number,
  close: () => void = () => {},
): GrowingRecording | null {
  return size < fileHeadBytes ? null : versionOf(readAt).grow(readAt, size, close);
}

/** A reader of each version is kept for ever. */
const versions: Readonly<Record<number, Version>> = {
  1: { open: openVersion1, grow: growVersion1 },
  2: { open: openVersion2, grow: growVersion2 },
};

interface Version {
  readonly open: typeof openVersion2;
  readonly grow: typeof growVersion2;
}

function versionOf(readAt: ReadAt): Version {
  const head = readAt(0, fileHeadBytes);
  const magic = new TextDecoder("latin1").decode(head.subarray(0, fileMagic.length));
  if (head.length < fileHeadBytes || magic !== fileMagic) throw new RecordingError("this is no recording");
  const version = head[fileMagic.length]! | (head[fileMagic.length + 1]! << 8);
  const found = versions[version];
  if (found !== undefined) return found;
  throw new RecordingError(`this recording has version ${version}; known are ${Object.keys(versions)}`);
}

/** Reads an open file. */
export const readerOf =
  (fd: number): ReadAt =>
  (offset, length) => {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (;;) {
      const count = readSync(fd, bytes, done, length - done, offset + done);
      done += count;
      if (count === 0 || done === length) return bytes.subarray(0, done);
    }
  };
