// Answers that are still to come, each with what the model says of it, and a transcript of all that came.

import type { CommandQueue, CommandResult, Submission } from "../../lab/driver/command-queue.ts";
import type { HeaderFields } from "../../lab/driver/commands.ts";
import type { Foreseen } from "./history.ts";
import { Header, HeaderFlag, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const names = new Map<number, string>(Object.entries(Response).map(([name, value]) => [value, name]));
const nameOf = (type: number): string => names.get(type) ?? `0x${type.toString(16)}`;

interface Awaited {
  readonly submission: Submission;
  readonly name: string;
  readonly foreseen: Foreseen;
  readonly header: HeaderFields;
}

/** The device has done something else than the model says. */
export class Mismatch extends Error {
  override name = "Mismatch";
}

export class Answers {
  commands = 0;
  private awaited: Awaited[] = [];

  /** `note` takes a line of the transcript. */
  constructor(private readonly note: (line: string) => void) {}

  /** Submits a command, whose answer has to be as `foreseen`. */
  expect(
    queue: CommandQueue,
    name: string,
    request: DataView,
    foreseen: Foreseen,
    header: HeaderFields,
    hold: boolean,
  ): void {
    const submission = queue.submit(request, { hold });
    this.commands++;
    const fields = new Uint32Array(request.buffer, 24, (request.byteLength - 24) >>> 2);
    this.note(`${name} ${[...fields.subarray(0, 8)].join(" ")}${hold ? ", held back" : ""}`);
    foreseen.submission = submission;
    this.awaited.push({ submission, name, foreseen, header });
  }

  /** Looks at what has come. Throws a {@link Mismatch}. */
  check(): void {
    for (const one of this.awaited) if (one.submission.done) this.compare(one);
    this.awaited = this.awaited.filter(({ submission }) => !submission.done);
  }

  /** What is still to come never will. */
  forget(): void {
    this.awaited = [];
  }

  private compare({ submission: { result }, name, foreseen, header }: Awaited): void {
    this.note(`answer: ${name} ${result.type} ${result.flags} ${result.fenceId} ${result.length}`);
    const { types } = foreseen;
    if (!types.includes(result.type))
      throw new Mismatch(
        `${name} was answered ${nameOf(result.type)}, not ${types.map(nameOf).join(" or ")}`,
      );
    if (result.length < Header.bytes) throw new Mismatch(`${name} has an answer of ${result.length} bytes`);
    const said = echoOf(result);
    const expected = expectedEcho(header);
    if (said !== expected) throw new Mismatch(`${name} echoes ${said}, not ${expected}`);
  }
}

const echoOf = ({ flags, fenceId, contextId, ringIndex }: CommandResult): string =>
  `flags ${flags}, fence ${fenceId}, context ${contextId}, ring ${ringIndex}`;

/** What a fence has in its command is in its answer too, and nothing of a command that has none (§5.7.6.7). */
function expectedEcho({ fenceId, contextId = 0, ringIndex }: HeaderFields): string {
  if (fenceId === undefined) return "flags 0, fence 0, context 0, ring 0";
  const flags = HeaderFlag.FENCE | (ringIndex === undefined ? 0 : HeaderFlag.INFO_RING_IDX);
  return `flags ${flags}, fence ${fenceId}, context ${contextId}, ring ${ringIndex ?? 0}`;
}
