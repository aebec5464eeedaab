// Records of messages, lives and pictures as the feed tells them.

import { Field, RecordKind, Shown } from "../runtime/tap/layout.ts";
import type { MessageRecord, PictureRecord, TransitionRecord } from "./feed.ts";
import { type History, kindIn, slotIn } from "./history.ts";
import { readFields } from "./message-reader.ts";
import { moveAt } from "./stories.ts";
import type { TapReader } from "./tap-reader.ts";

/** What the display is told at one time, so that frames can be told by it. */
const toldMax = 1024;

export class Events {
  /** The commands that were last seen in what the display was told, by the number of the message. */
  private readonly told = new Map<number, string>();
  /** What the next message to the display is about. */
  private aboutToTell: PictureRecord | null = null;
  /** By scanout, the last message that told the display of it. */
  private readonly lastTold: number[] = [];

  constructor(
    private readonly history: History,
    private readonly readers: readonly TapReader[],
  ) {}

  /** The message at word `at`, null for any other record. `open` has those of this batch that were not taken yet. */
  message(at: number, open: Map<string, MessageRecord>): MessageRecord | null {
    const { words } = this.history;
    const kind = kindIn(words[at]!);
    if (kind !== RecordKind.sent && kind !== RecordKind.received) return null;
    const reader = this.readers[slotIn(words[at]!)]!;
    const other = this.readers[words[at + 4]!]?.actor ?? "";
    const isSent = kind === RecordKind.sent;
    const [from, to] = isSent ? [reader.actor, other] : [other, reader.actor];
    const number = words[at + 5]!;
    const key = `${from} ${to} ${number}`;
    const ns = this.history.timeAt(at);
    const known = open.get(key);
    const message: MessageRecord = known ?? {
      ...{ from, to, number, name: reader.names.nameOf(words[at + 6]!) },
      ...{ sentNs: 0, receivedNs: 0, fields: [], command: "" },
    };
    if (isSent) {
      message.sentNs = ns;
      message.fields = readFields(words, at + 8, words[at + 7]!, reader.names);
      message.command = commandId(reader, words[at + Field.command]!);
    } else message.receivedNs = ns;
    if (known !== undefined) return null;
    open.set(key, message);
    return message;
  }

  /** What was moved or refused, null for any other record. */
  transition(at: number): TransitionRecord | null {
    const { words } = this.history;
    const kind = kindIn(words[at]!);
    if (kind !== RecordKind.moved && kind !== RecordKind.refused) return null;
    const reader = this.readers[slotIn(words[at]!)]!;
    const command = commandId(reader, words[at + Field.command]!);
    return { ns: this.history.timeAt(at), actor: reader.actor, command, ...moveAt(words, at, reader) };
  }

  /** What the display was told, or a sink showed, null for any other record. To be asked of every record, in order. */
  picture(at: number): PictureRecord | null {
    const { words } = this.history;
    const kind = kindIn(words[at]!);
    if (!isAboutPictures(kind)) return null;
    const reader = this.readers[slotIn(words[at]!)]!;
    const [scanout, surface, third, fourth] = words.subarray(at + Field.first, at + Field.first + 4);
    const [x, y, width, height] = words.subarray(at + 8, at + 12);
    const ns = this.history.timeAt(at);
    const rect = { x: x!, y: y!, width: width!, height: height! };
    const place = { ns, scanout: scanout!, surface: surface!, ...rect, sink: "", message: 0 };
    if (kind === RecordKind.shown) {
      const what = whats[fourth!]!;
      const command = commandId(reader, words[at + Field.command]!);
      const told: PictureRecord = { ...place, what, resource: third!, command };
      if (what !== "known") return (this.aboutToTell = told);
      const message = this.lastTold[scanout!];
      return message === undefined ? null : { ...told, message };
    }
    if (kind === RecordKind.sent && reader.actor === "ctrl-queue") this.tell(scanout!, surface!);
    if (kind === RecordKind.frameBegun) {
      const command = this.told.get(fourth!) ?? "";
      const sink = reader.names.nameOf(third!);
      return { ...place, what: "frame-begun", resource: 0, command, sink, message: fourth! };
    }
    if (kind !== RecordKind.frameShown) return null;
    const sink = reader.names.nameOf(third!);
    const nowhere = { x: 0, y: 0, width: 0, height: 0 };
    return { ...place, ...nowhere, what: "frame-shown", resource: 0, command: "", sink };
  }

  /** The queue has sent a message: it is the one that tells the display, if anything was about to. */
  private tell(slot: number, number: number): void {
    const { told, aboutToTell } = this;
    if (aboutToTell === null || this.readers[slot]?.actor !== "display") return;
    aboutToTell.message = number;
    this.lastTold[aboutToTell.scanout] = number;
    told.set(number, aboutToTell.command);
    if (told.size > toldMax) told.delete(told.keys().next().value!);
    this.aboutToTell = null;
  }
}

const { shown, sent, frameBegun, frameShown } = RecordKind;
const isAboutPictures = (kind: number): boolean =>
  kind === shown || kind === sent || kind === frameBegun || kind === frameShown;

const whats: Readonly<Record<number, PictureRecord["what"]>> = {
  [Shown.view]: "view",
  [Shown.damage]: "damage",
  [Shown.nothing]: "nothing",
  [Shown.known]: "known",
};

const commandId = ({ actor }: TapReader, number: number): string =>
  number === 0 ? "" : `${actor}:${number}`;
