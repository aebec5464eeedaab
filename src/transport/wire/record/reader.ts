// Opens a recording of whatever version.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fileHeadBytes, fileMagic } from "./layout.ts";
import type { ReadAt, Recording } from "./recording.ts";
import { RecordingError } from "./recording-error.ts";
import { openVersion1 } from "./version-1.ts";
import { openVersion2 } from "./version-2.ts";

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
  const head = readAt(0, fileHeadBytes);
  const magic = new TextDecoder("latin1").decode(head.subarray(0, fileMagic.length));
  if (head.length < fileHeadBytes || magic !== fileMagic) throw new RecordingError("this is no recording");
  const version = head[fileMagic.length]! | (head[fileMagic.length + 1]! << 8);
  const open = versions[version];
  if (open === undefined) {
    throw new RecordingError(`this recording has version ${version}; known are ${Object.keys(versions)}`);
  }
  return open(readAt, size, close);
}

/** A reader of each version is kept for ever. */
const versions: Readonly<Record<number, typeof openVersion2>> = { 1: openVersion1, 2: openVersion2 };

const readerOf =
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
