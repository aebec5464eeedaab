// The worker that reads a stream to a file: as fast as it comes, however long a command of the player's takes, since the recorded
// guest would wait.

import { ftruncateSync, writeSync } from "node:fs";
import { Reached, type Told, type Wanted } from "./stream-words.ts";

declare const self: Worker;

/** What may lie in the file and was not played: beyond, who plays will not catch up. */
const unplayedMax = 4 * 1024 * 1024 * 1024;
/** How long a server may take to answer; its recorder has 13 s to begin. */
const answerMs = 20_000;
const sentenceMax = 200;

self.onmessage = ({ data }: MessageEvent<Wanted>) => {
  void read(data).then((last) => self.postMessage(last));
};

/** Returns how it ended. */
async function read({ url, token, fd, reached }: Wanted): Promise<Told> {
  let response: Response;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), answerMs);
  try {
    response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, "accept-encoding": "identity" },
      redirect: "manual",
      decompress: false,
      timeout: false,
      signal: patience.signal,
    } as RequestInit);
  } catch (error) {
    // Whatever a network does.
    const why = patience.signal.aborted ? `nothing after ${answerMs / 1000} s` : codeOf(error);
    return { failed: `${new URL(url).host} does not answer: ${why}` };
  } finally {
    clearTimeout(timer);
  }
  if (response.status !== 200) return { failed: await refusalOf(response) };
  return await keep(response.body!, fd, new Float64Array(reached));
}

/** Puts all that comes into the file, in place of what was there. */
async function keep(stream: ReadableStream<Uint8Array>, fd: number, reached: Float64Array): Promise<Told> {
  const reader = stream.getReader();
  ftruncateSync(fd, 0);
  for (let bytes = 0; ;) {
    let piece: Uint8Array | undefined;
    try {
      piece = (await reader.read()).value;
    } catch (error) {
      // Likewise.
      return { end: `the connection was lost: ${codeOf(error)}` };
    }
    if (piece === undefined) return { end: "the stream has ended" };
    try {
      for (let done = 0; done < piece.length;) {
        done += writeSync(fd, piece, done, piece.length - done, bytes + done);
      }
    } catch (error) {
      // Whatever a disk does.
      return { end: `what comes cannot be kept: ${codeOf(error)}` };
    }
    bytes += piece.length;
    if (bytes - reached[Reached.played]! > unplayedMax) {
      return { end: `it is ${unplayedMax / 2 ** 30} GiB ahead of what is played` };
    }
    self.postMessage({ bytes } satisfies Told);
  }
}

/** What an answer says that is no recording, in one line. */
async function refusalOf(response: Response): Promise<string> {
  const { status } = response;
  if (status >= 300 && status < 400)
    return `the server leads elsewhere (${status}): want the URL that it has logged`;
  const reader = response.body?.getReader();
  const first = await Promise.race([reader?.read(), Bun.sleep(1_000)]).catch(() => {
    // What cannot be read is left out.
  });
  const text = new TextDecoder().decode(
    (first as { value?: Uint8Array } | undefined)?.value?.subarray(0, sentenceMax),
  );
  // Whoever answers may be anybody: nothing of theirs moves a terminal's cursor.
  const [line = ""] = text.split("\n");
  return `the server answers ${status}: ${line.replaceAll(/[^\x20-\x7e]/g, "?")}`;
}

const codeOf = (error: unknown): string =>
  String((error as { code?: unknown }).code ?? (error as Error).message);
