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
import { PARKED, type Parked } from "../../queue/queue-runner.ts";
import type { Request } from "../../queue/request.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import type { Parts } from "./parts.ts";

interface Question {
  parked: Parked;
  /** The display is asked again when it had to be restarted. */
  ask: () => void;
}

/** A driver asks one at a time; more than this is a flood. */
const openMax = 64;

export class Questions {
  private readonly open = new Map<number, Question>();
  private nextToken = 1;
  private readonly context: ActorContext;
  private readonly queue: QueueRunner;
  private readonly edidEvent: number;

  constructor(private readonly parts: Parts) {
    this.context = parts.context;
    this.queue = parts.queue;
    this.edidEvent = parts.model.lifecycles.scanout.event("GET_EDID");
  }

  displayInfo(): number {
    return this.ask((token) => this.context.send("display", { type: "display-info", token }));
  }

  edid(request: Request): number {
    const { scanouts, lifecycles } = this.parts.model;
    const scanout = request.u32(GetEdid.scanoutId);
    const refusal = lifecycles.scanout.may(scanouts.at(scanout), this.edidEvent);
    if (refusal !== 0) return refusal;
    return this.ask((token) => this.context.send("display", { type: "edid", token, scanout }));
  }

  answerDisplayInfo(token: number, modes: readonly DisplayMode[]): void {
    const question = this.take(token);
    if (question === undefined) return;
    const words = this.body(DisplayInfo.bytes);
    modes.slice(0, scanoutsMax).forEach(({ x, y, width, height, enabled }, index) => {
      words.set(
        [x, y, width, height, enabled ? 1 : 0, 0],
        (DisplayInfo.modes + index * DisplayInfo.mode.bytes) / 4,
      );
    });
    this.queue.complete(question.parked, Response.OK_DISPLAY_INFO, DisplayInfo.bytes);
  }

  /** At most 1024 bytes of EDID; guests read past a longer one (CVE-2026-68255). */
  answerEdid(token: number, edid: Uint8Array): void {
    const question = this.take(token);
    if (question === undefined) return;
    const words = this.body(Edid.bytes);
    const bytes = edid.subarray(0, Edid.edidBytesMax);
    words[Edid.size / 4] = bytes.length;
    new Uint8Array(words.buffer, words.byteOffset + Edid.edid).set(bytes);
    this.queue.complete(question.parked, Response.OK_EDID, Edid.bytes);
  }

  askAgain(): void {
    for (const question of this.open.values()) question.ask();
  }

  /** Gives up: the ring is going away, and a driver that still waits gets an error. */
  abandon(): void {
    for (const { parked } of this.open.values()) {
      this.queue.refuse(parked, Response.ERR_UNSPEC);
    }
    this.open.clear();
  }

  private ask(ask: (token: number) => void): number {
    if (this.open.size >= openMax) return Response.ERR_OUT_OF_MEMORY;
    const token = this.nextToken++;
    const question = { parked: this.queue.park(), ask: () => ask(token) };
    this.open.set(token, question);
    question.ask();
    return PARKED;
  }

  private take(token: number): Question | undefined {
    const question = this.open.get(token);
    this.open.delete(token);
    return question;
  }

  /** The response buffer with everything behind the header zero. */
  private body(bytes: number): Uint32Array {
    const { responseWords } = this.queue.request;
    responseWords.fill(0, Header.bytes / 4, bytes / 4);
    return responseWords;
  }
}
