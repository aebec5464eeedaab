// The requests that the VMM answers: protocol features once, then display info and EDID when the guest asks.
//
// One request of a kind is outstanding at most. A VMM that does not answer in time is not asked again until its late
// reply arrives; meanwhile the device answers by itself. quirks.qemuLeavesEdidUnanswered.

import type { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import {
  GetEdid,
  ProtocolFeature,
  DisplayRequest,
  SetProtocolFeatures,
} from "../../../../transport/wire/vhost-user-gpu/protocol.ts";
import { isOutstanding, StreamWord } from "../../../../transport/wire/vhost-user-gpu/stream-words.ts";
import { refreshOf, soundEdid } from "../../../../picture/edid.ts";
import { DisplayInfo, Edid, scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { DisplayMode } from "../../../gpu/messages.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Timers } from "../../../runtime/timers.ts";
import { Counter } from "../../counters.ts";
import { edidOf } from "../../scanouts/outputs.ts";
import { answerFrom, type OutputAnswers, type Question } from "../../scanouts/questions.ts";

/** Protocol features that this back-end can use. */
const supportedFeatures = (1 << ProtocolFeature.EDID) | (1 << ProtocolFeature.DMABUF2);

export interface VmmRequestsOptions {
  /** Where the stream stands ({@link StreamWord}). */
  words: Int32Array;
  timers: Timers;
  log: Log;
  timeoutMs: number;
  /** The display's counters. */
  counters: Float64Array;
  /** The outputs until the VMM says others. */
  modes: readonly DisplayMode[];
  answers: OutputAnswers;
  /** The VMM has said its protocol features. */
  negotiated: () => void;
  /** The VMM has said how often a scanout shows another picture, in hertz. */
  refreshes: (scanout: number, hz: number) => void;
}

export class VmmRequests {
  /** Whether frames may be sent: the VMM has said what it knows, or keeps silent. */
  isReady = false;
  /** How many requests timed out. */
  timeouts = 0;
  private readonly waiting: Question[] = [];
  private modes: readonly DisplayMode[];
  private mustSetFeatures = false;
  /** Bit n: request n timed out. */
  private silent = 0;
  private cancelTimer: () => void = () => {};

  constructor(private readonly options: VmmRequestsOptions) {
    this.modes = options.modes;
    if (this.isNegotiated) {
      this.isReady = true;
      this.mustSetFeatures = true;
    } else {
      this.startTimer();
    }
  }

  /** Names of the protocol features in use. */
  get featureNames(): string[] {
    return Object.entries(ProtocolFeature).flatMap(([name, bit]) => (this.has(bit) ? [name] : []));
  }

  /** Whether the VMM has said its protocol features. */
  get isNegotiated(): boolean {
    return this.options.words[StreamWord.negotiated] === 1;
  }

  /** Whether the VMM takes dma-bufs with a format modifier. */
  get hasModifiers(): boolean {
    return this.has(ProtocolFeature.DMABUF2);
  }

  /** The outputs as the VMM has said last that they are. */
  get outputs(): readonly DisplayMode[] {
    return this.modes;
  }

  /** Asks the VMM, or answers at once where it is known to say nothing. */
  ask(question: Question): void {
    this.waiting.push(question);
    if (this.waiting.length === 1) this.nextQuestion();
  }

  /** Starts the next request on an idle `writer`. Returns whether there was one. */
  start(writer: MessageWriter): boolean {
    const { words } = this.options;
    if (!this.isNegotiated) {
      // Until a late answer comes, nothing else is asked either.
      if (isOutstanding(words, DisplayRequest.GET_PROTOCOL_FEATURES)) return false;
      writer.start(DisplayRequest.GET_PROTOCOL_FEATURES, 0);
      return true;
    }
    if (this.mustSetFeatures) {
      this.mustSetFeatures = false;
      writer.start(DisplayRequest.SET_PROTOCOL_FEATURES, SetProtocolFeatures.bytes, this.features, 0);
      return true;
    }
    const question = this.waiting[0];
    if (question === undefined) return false;
    const request = this.requestFor(question);
    if (isOutstanding(words, request)) return false;
    if (question.type === "ask-edid" && request === DisplayRequest.GET_EDID) {
      words[StreamWord.edidScanout] = question.scanout;
      writer.start(request, GetEdid.bytes, question.scanout);
    } else {
      writer.start(request, 0);
    }
    return true;
  }

  /** The VMM's answer to `request` has come. */
  take(request: number, payload: DataView): void {
    this.silent &= ~(1 << request);
    if (request === DisplayRequest.GET_PROTOCOL_FEATURES) return this.takeFeatures(payload);
    if (request === DisplayRequest.GET_DISPLAY_INFO) this.modes = decodeModes(payload);
    const question = this.waiting[0];
    if (question === undefined || this.requestFor(question) !== request) return;
    if (question.type === "ask-edid" && request === DisplayRequest.GET_EDID) {
      // A predecessor may have asked for another output's.
      if (this.options.words[StreamWord.edidScanout] !== question.scanout) return;
      this.options.answers.edid(question.token, this.decodeEdid(payload, question.scanout));
    } else {
      // A VMM that makes no EDIDs says its modes all the same, and ours are made from them.
      answerFrom(this.modes, question, this.options.answers);
    }
    this.waiting.shift();
    this.nextQuestion();
  }

  /** Answers everything that waits, because the VMM is gone. */
  abandon(): void {
    this.cancelTimer();
    this.answerAll();
  }

  /** Answers nothing: whoever takes over is asked again. */
  close(): void {
    this.cancelTimer();
  }

  private get features(): number {
    return this.options.words[StreamWord.features]!;
  }

  private has(feature: number): boolean {
    return (this.features & (1 << feature)) !== 0;
  }

  private requestFor(question: Question): number {
    const hasEdid = this.has(ProtocolFeature.EDID) && !this.isSilent(DisplayRequest.GET_EDID);
    return question.type === "ask-edid" && hasEdid
      ? DisplayRequest.GET_EDID
      : DisplayRequest.GET_DISPLAY_INFO;
  }

  private isSilent(request: number): boolean {
    return (this.silent & (1 << request)) !== 0;
  }

  /** Gives the first question its time, or answers where asking is in vain. */
  private nextQuestion(): void {
    this.cancelTimer();
    const question = this.waiting[0];
    if (question === undefined) return;
    const isVain =
      this.isSilent(DisplayRequest.GET_PROTOCOL_FEATURES) || this.isSilent(this.requestFor(question));
    if (isVain) this.answerAll();
    else this.startTimer();
  }

  private startTimer(): void {
    const { timers, timeoutMs } = this.options;
    this.cancelTimer();
    this.cancelTimer = timers.after(timeoutMs, () => this.timedOut());
  }

  private timedOut(): void {
    const { words, log, timeoutMs, counters } = this.options;
    const question = this.waiting[0];
    const request =
      !this.isNegotiated || question === undefined
        ? DisplayRequest.GET_PROTOCOL_FEATURES
        : this.requestFor(question);
    this.timeouts++;
    counters[Counter.questionsUnanswered]!++;
    // A request that the VMM has not even read may be asked again.
    if (isOutstanding(words, request)) this.silent |= 1 << request;
    log.guest(
      () => `the VMM's display did not answer ${nameOf(request)} within ${timeoutMs} ms: going on without`,
    );
    this.isReady = true;
    this.answerAll();
  }

  private answerAll(): void {
    for (const question of this.waiting.splice(0)) answerFrom(this.modes, question, this.options.answers);
  }

  private takeFeatures(payload: DataView): void {
    const { words, log } = this.options;
    words[StreamWord.features] = payload.getUint32(0, true) & supportedFeatures;
    words[StreamWord.negotiated] = 1;
    this.mustSetFeatures = true;
    this.isReady = true;
    log.debug(`the VMM's display has ${this.featureNames.join(", ") || "no protocol features"}`);
    this.options.negotiated();
    this.nextQuestion();
  }

  private decodeEdid(payload: DataView, scanout: number): Uint8Array<ArrayBuffer> {
    const size = Math.min(payload.getUint32(Edid.size, true), Edid.edidBytesMax);
    const edid = soundEdid(
      Uint8Array.from(new Uint8Array(payload.buffer, payload.byteOffset + Edid.edid, size)),
    );
    if (edid !== null) {
      this.options.refreshes(scanout, refreshOf(edid));
      return edid;
    }
    this.options.log.guest(() => `the VMM's EDID of output ${scanout} is broken: using our own`);
    return edidOf(this.modes, scanout);
  }
}

/** struct virtio_gpu_resp_display_info. */
function decodeModes(payload: DataView): DisplayMode[] {
  const { mode } = DisplayInfo;
  return Array.from({ length: scanoutsMax }, (_, index) => {
    const offset = DisplayInfo.modes + index * mode.bytes;
    return {
      x: payload.getUint32(offset + mode.x, true),
      y: payload.getUint32(offset + mode.y, true),
      width: payload.getUint32(offset + mode.width, true),
      height: payload.getUint32(offset + mode.height, true),
      enabled: payload.getUint32(offset + mode.enabled, true) !== 0,
    };
  });
}

const nameOf = (request: number): string =>
  Object.entries(DisplayRequest).find(([, value]) => value === request)?.[0] ?? `request ${request}`;
