// Questions that only the display can answer: GET_DISPLAY_INFO and GET_EDID. They are parked meanwhile.

import {
  DisplayInfo,
  Edid,
  GetEdid,
  Header,
  Response,
  scanoutsMax,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { DisplayMode } from "../messages.ts";
import { PARKED, type Parked } from "../../queue/queue-handler.ts";
import type { Request } from "../../queue/request.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { AnswerTo, Question } from "../../runtime/asks.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import { beyond } from "./beyond.ts";
import type { Parts } from "./parts.ts";

export class Questions {
  /** The commands that wait, by the token of their question. */
  private readonly parked = new Map<number, Parked>();
  private readonly context: ActorContext;
  private readonly queue: QueueRunner;
  private readonly edidEvent: number;

  constructor(private readonly parts: Parts) {
    this.context = parts.context;
    this.queue = parts.queue;
    this.edidEvent = parts.model.lifecycles.scanout.event("GET_EDID");
  }

  displayInfo(): number {
    return this.ask({ type: "ask-display-info" }, (parked, { modes }) =>
      this.answerDisplayInfo(parked, modes),
    );
  }

  edid(request: Request): number {
    const { scanouts, lifecycles } = this.parts.model;
    const scanout = request.u32(GetEdid.scanoutId);
    const refusal = lifecycles.scanout.may(scanouts.at(scanout), this.edidEvent);
    if (refusal !== 0) return refusal;
    return this.ask({ type: "ask-edid", scanout }, (parked, { edid }) => this.answerEdid(parked, edid));
  }

  /** Gives up: the ring is going away, and a driver that still waits gets an error. */
  abandon(): void {
    for (const [token, parked] of this.parked) {
      this.context.asks.drop(token);
      this.queue.refuse(parked, Response.ERR_UNSPEC);
    }
    this.parked.clear();
  }

  /** Asks the display, and its successor again should it crash. */
  private ask<Asked extends Question<"display">>(
    question: Asked,
    settle: (parked: Parked, answer: NonNullable<AnswerTo<Asked>>) => void,
  ): number {
    if (this.parked.size >= this.context.config.questionsMax)
      return beyond(this.parts, "questionsMax", "the display is not asked");
    const parked = this.queue.park();
    let token = 0;
    token = this.context.asks.ask(
      "display",
      question,
      (answer) => {
        this.parked.delete(token);
        if (answer === null) this.queue.refuse(parked, Response.ERR_UNSPEC);
        else settle(parked, answer);
      },
      { again: true },
    );
    if (token > 0) this.parked.set(token, parked);
    return PARKED;
  }

  private answerDisplayInfo(parked: Parked, modes: readonly DisplayMode[]): void {
    const words = this.body(DisplayInfo.bytes);
    modes.slice(0, scanoutsMax).forEach(({ x, y, width, height, enabled }, index) => {
      words.set(
        [x, y, width, height, enabled ? 1 : 0, 0],
        (DisplayInfo.modes + index * DisplayInfo.mode.bytes) / 4,
      );
    });
    this.queue.complete(parked, Response.OK_DISPLAY_INFO, DisplayInfo.bytes);
  }

  /** At most 1024 bytes of EDID; guests read past a longer one (CVE-2026-68255). */
  private answerEdid(parked: Parked, edid: Uint8Array): void {
    const words = this.body(Edid.bytes);
    const bytes = edid.subarray(0, Edid.edidBytesMax);
    words[Edid.size / 4] = bytes.length;
    new Uint8Array(words.buffer, words.byteOffset + Edid.edid).set(bytes);
    this.queue.complete(parked, Response.OK_EDID, Edid.bytes);
  }

  /** The response buffer with everything behind the header zero. */
  private body(bytes: number): Uint32Array {
    const { responseWords } = this.queue.request;
    responseWords.fill(0, Header.bytes / 4, bytes / 4);
    return responseWords;
  }
}
