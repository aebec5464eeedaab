// Where the cursors are that sinks draw on top, for pages that look at the screen: asked for when the display has heard of them.

import { asRefusal } from "../../transport/os/errors.ts";
import { bytesIn } from "../../transport/os/sent-bytes.ts";
import type { AnswerTo } from "../runtime/asks.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { CursorRecord } from "./screen-feed.ts";

const timeoutMs = 3_000;
const imageBytes = 64 * 64 * 4;

type CursorAnswer = AnswerTo<{ type: "ask-cursors" }>;

export class CursorWatch {
  private isAsked = false;
  private isDue = false;
  /** Messages about cursors that the display had taken when it was asked last. */
  private heard = -1;

  /** `tell` is given all cursors that are shown. */
  constructor(
    private readonly context: ActorContext,
    private readonly tell: (cursors: CursorRecord[]) => void,
  ) {}

  /** Somebody has yet to see them. */
  owe(): void {
    this.isDue = true;
  }

  /** `heard`: messages of the cursor queue's that the display has taken. */
  turn(heard: number): void {
    if (heard !== this.heard) this.isDue = true;
    this.heard = heard;
    if (!this.isDue || this.isAsked) return;
    this.isDue = false;
    this.isAsked = true;
    const settle = (answer: CursorAnswer): void => {
      this.isAsked = false;
      const cursors = answer === null ? null : read(answer);
      if (cursors === null) this.isDue = true;
      else this.tell(cursors);
    };
    this.context.asks.ask("display", { type: "ask-cursors" }, settle, { timeoutMs });
  }
}

/** Takes over the answer's descriptor. Returns null where there is no room for the images now. */
function read({ fd, cursors }: NonNullable<CursorAnswer>): CursorRecord[] | null {
  if (fd < 0) return [];
  let all: Uint8Array;
  try {
    all = bytesIn(fd, cursors.length * imageBytes);
  } catch (refused) {
    asRefusal(refused);
    return null;
  }
  return cursors.map((one, index) => ({
    ...one,
    image: all.subarray(index * imageBytes, (index + 1) * imageBytes),
  }));
}
