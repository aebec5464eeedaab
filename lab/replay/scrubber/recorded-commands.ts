// Commands of a recording as a page is told them.

import type { Recording } from "../../../src/transport/wire/record/recording.ts";
import type { RecordedCommand } from "../../../src/transport/wire/replay/messages.ts";
import { decodeRequest } from "../../../src/transport/wire/virtio-gpu/decode.ts";

/** What is told of fields stands at a request's beginning. */
const headBytes = 4096;

/** The command with that number; null where there is none. Throws a {@link RecordingError} where it cannot be read. */
export function recordedCommand(recording: Recording, number: number): RecordedCommand | null {
  const chunk = recording.chunks.find(
    ({ commandsBefore, commands }) => number >= commandsBefore && number < commandsBefore + commands,
  );
  if (chunk === undefined) return null;
  const all = recording.read(chunk.number).filter(({ kind }) => kind === "command");
  const command = all[number - chunk.commandsBefore];
  if (command?.kind !== "command") return null;
  const { name, fields } = decodeRequest(command.body.subarray(0, headBytes));
  return { number, type: name, time: command.time, fields };
}
