// What pages ask of a replay beside its server's page: where it is, marks for its scale, and which command made a pixel.

import { type Catalogue, thinned } from "../../../src/recording/catalogue.ts";
import { Refusal } from "../../../src/transport/os/errors.ts";
import type { Recording } from "../../../src/transport/wire/record/recording.ts";
import type {
  RecordedCommand,
  RecordedPixel,
  ReplayFacts,
  ReplayMarks,
  ReplayRequest,
  ReplayState,
} from "../../../src/transport/wire/replay/messages.ts";
import type { Deck } from "./deck.ts";
import type { Journal } from "./journal.ts";
import { recordedCommand } from "./recorded-commands.ts";

/** No bar shows more marks. */
const marksMax = 2000;
const queues = ["ctrl-queue", "cursor-queue"];
/** So long a question waits for the part of the recording that it is about to be looked at. */
const waitMs = 5_000;
const pollMs = 5;

export interface Told {
  readonly file: string;
  readonly recording: Recording;
  readonly catalogue: Catalogue;
  readonly journal: Journal;
  /** What the recording lacks from where it began. */
  readonly lacks: () => readonly string[];
}

export class Desk {
  constructor(
    private readonly told: Told,
    private readonly deck: Deck,
  ) {}

  state(): ReplayState {
    return this.deck.state();
  }

  ask(request: ReplayRequest): void {
    this.deck.ask(request);
  }

  /** Answers a GET; undefined where there is no such thing, and null where nothing is known. Throws a {@link Refusal}. */
  async answer({ pathname, searchParams }: URL): Promise<object | null | undefined> {
    switch (pathname) {
      case "/api/replay":
        return this.facts();
      case "/api/replay/marks":
        return this.marks();
      case "/api/replay/pixel":
        return await this.pixel(searchParams);
      case "/api/replay/command":
        return this.command(searchParams.get("id") ?? "");
      default:
        return undefined;
    }
  }

  private facts(): ReplayFacts {
    const { file, recording, lacks } = this.told;
    const { ending, start } = recording;
    const end = ending.reason === "cut" ? `it is cut at byte ${ending.at}: ${ending.text}` : ending.text;
    return { file, ending: end, lacks: [...start.notRecorded, ...lacks()], state: this.state() };
  }

  private marks(): ReplayMarks {
    const { recording, catalogue } = this.told;
    const { duration } = this.state();
    const thin = (times: readonly number[]): number[] => thinned(times, duration, marksMax);
    return {
      isWhole: catalogue.isWhole,
      frames: thin(catalogue.frameTimes),
      errors: thin(catalogue.errorTimes),
      keyframes: thin(recording.chunks.filter((one) => one.isKeyframe).map(({ firstTime }) => firstTime)),
    };
  }

  private async pixel(parameters: URLSearchParams): Promise<RecordedPixel | null> {
    const [x, y] = [numberIn(parameters, "x"), numberIn(parameters, "y")];
    const { catalogue, recording } = this.told;
    const { commands } = this.deck.state();
    const deadline = performance.now() + waitMs;
    while (!catalogue.isWhole && catalogue.commands < commands) {
      if (performance.now() > deadline) throw new Refusal("the recording is yet to be looked through");
      await Bun.sleep(pollMs);
    }
    const { touches } = catalogue;
    const view = parameters.has("scanout")
      ? touches.view(numberIn(parameters, "scanout"), commands)
      : { resource: numberIn(parameters, "res"), x: 0, y: 0 };
    if (view === null) return null;
    const place = { x: x + view.x, y: y + view.y };
    const makers = touches.makers(view.resource, place, commands);
    if (makers === null) return null;
    const [writer, flush] = [makers.writer, makers.flush].map((number) =>
      number === null ? null : recordedCommand(recording, number),
    );
    return { resource: view.resource, ...place, writer: writer!, flush: flush! };
  }

  private command(id: string): RecordedCommand | null {
    const [, queue = "", number = ""] = /^([a-z-]{1,32}):(\d{1,12})$/.exec(id) ?? [];
    if (!queues.includes(queue)) throw new Refusal("id: want a command's, such as ctrl-queue:17");
    const ours = this.told.journal.numberOf(queues.indexOf(queue) as 0 | 1, Number(number));
    return ours === null ? null : recordedCommand(this.told.recording, ours);
  }
}

function numberIn(parameters: URLSearchParams, name: string): number {
  const text = parameters.get(name) ?? "";
  if (!/^\d{1,10}$/.test(text)) throw new Refusal(`${name}: want a number from 0 on`);
  return Number(text);
}
