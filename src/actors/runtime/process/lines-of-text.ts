// The lines of what a process prints.

/** Longer ones go on in another. */
const lineMax = 240;

/** Calls `take` with every line until `output` ends. */
export async function readLines(
  output: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) takeParts(line, take);
    if (rest.length >= lineMax) {
      takeParts(rest, take);
      rest = "";
    }
  }
  takeParts(rest, take);
}

function takeParts(line: string, take: (line: string) => void): void {
  for (let at = 0; at < line.length; at += lineMax) take(line.slice(at, at + lineMax));
}
