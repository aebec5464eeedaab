// What scanouts show, for pages that look at them: the pixels of what has changed, and nothing while nobody looks.

import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { Damage, type Rect } from "../../picture/damage.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { AnswerTo } from "../runtime/asks.ts";
import type { PictureRecord } from "./feed.ts";
import type { ScreenRecord } from "./screen-feed.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { bytesIn } from "../../transport/os/sent-bytes.ts";

const timeoutMs = 3_000;
/** A turn that comes with an answer asks for nothing new so soon after the last question. */
const pauseNs = 12e6;
/** Everything is told again at most so often, be it that a page loses all that it is sent. */
const wholeNs = 500e6;
/** How many answers, one a turn, may be of an older view than the display was told of. */
const lateMax = 60;
/** Of both sides: the display clips it to what is shown. */
const endless = 0x7fff_ffff;

type Pixels = AnswerTo<{ type: "ask-pixels" }>;

export class Screens {
  private readonly damage = Array.from({ length: scanoutsMax }, () => new Damage());
  /** Bits of scanouts whose pixels are asked for. */
  private asked = 0;
  /** The surface that each shows by what the display was told last (0: none; -1: not known), and how often it did not yet. */
  private readonly surfaces = new Int32Array(scanoutsMax).fill(-1);
  private readonly late = new Uint32Array(scanoutsMax);
  private nextWhole = 0;
  private nextAsk = 0;
  private owesWhole = false;

  /** `tell` is given what pages are to draw. */
  constructor(
    private readonly context: ActorContext,
    private readonly tell: (record: ScreenRecord) => void,
  ) {}

  /** Whether pixels are on their way. */
  get isAsking(): boolean {
    return this.asked !== 0;
  }

  /** Somebody has yet to see everything. */
  owe(): void {
    this.owesWhole = true;
  }

  /** The display was told of a change. */
  note({ what, scanout, surface, ...rect }: PictureRecord): void {
    if (what === "damage") this.add(scanout, rect);
    if (what !== "view" && what !== "nothing") return;
    this.surfaces[scanout] = what === "view" ? surface : 0;
    this.late[scanout] = 0;
    this.addWhole(scanout);
  }

  /** Asks for what has changed; the answers come with later turns. */
  turn(ns: number): void {
    if (this.owesWhole && ns >= this.nextWhole) {
      this.owesWhole = false;
      this.nextWhole = ns + wholeNs;
      for (let scanout = 0; scanout < scanoutsMax; scanout++) this.addWhole(scanout);
    }
    if (ns < this.nextAsk) return;
    for (let scanout = 0; scanout < scanoutsMax; scanout++) {
      const damage = this.damage[scanout]!;
      if (!damage.isEmpty && (this.asked & (1 << scanout)) === 0) {
        this.nextAsk = ns + pauseNs;
        this.ask(scanout, damage);
      }
    }
  }

  private ask(scanout: number, damage: Damage): void {
    const { left: x, top: y, right, bottom } = damage;
    const question = { type: "ask-pixels", scanout, x, y, width: right - x, height: bottom - y } as const;
    damage.clear();
    this.asked |= 1 << scanout;
    const settle = (answer: Pixels): void => {
      this.asked &= ~(1 << scanout);
      if (answer !== null) {
        if (this.isLate(scanout, answer.surface)) this.addWhole(scanout);
        this.tell(read(scanout, answer));
      }
      // A display that crashed takes the question along.
      else this.owe();
    };
    this.context.asks.ask("display", question, settle, { timeoutMs });
  }

  /** Whether the display had not yet heard of the last view when it was asked for its pixels: then it is asked again. */
  private isLate(scanout: number, surface: number): boolean {
    const expected = this.surfaces[scanout]!;
    return expected >= 0 && surface !== expected && ++this.late[scanout]! <= lateMax;
  }

  private add(scanout: number, { x, y, width, height }: Rect): void {
    this.damage[scanout]!.add(x, y, width, height);
  }

  private addWhole(scanout: number): void {
    this.add(scanout, { x: 0, y: 0, width: endless, height: endless });
  }
}

/** Takes over the answer's descriptor. */
function read(scanout: number, answer: NonNullable<Pixels>): ScreenRecord {
  const { fd, x, y, width, height, viewWidth, viewHeight, error } = answer;
  const place = { scanout, x, y, width, height, viewWidth, viewHeight, error };
  if (fd < 0) return { ...place, pixels: new Uint8Array(0) };
  try {
    return { ...place, pixels: bytesIn(fd, width * height * 4) };
  } catch (refused) {
    return { ...place, error: asRefusal(refused).message, pixels: new Uint8Array(0) };
  }
}
