// The display actor: keeps what every scanout shows and tells the sinks, which send it at their own pace.

import { SystemError } from "../../transport/os/errors.ts";
import { SocketIo } from "../../transport/os/unix-socket.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { isInside } from "../../picture/damage.ts";
import type { ActorName, WorkerName } from "../registry.ts";
import type { OutputChange } from "../output-changes.ts";
import type { DisplayMessage } from "./messages.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { Counter } from "./counters.ts";
import { Cursors } from "./cursors.ts";
import { describeScanouts } from "./description.ts";
import { outputsAccount, refusalOf } from "./scanouts/output-changes.ts";
import { Outputs, outputWords } from "./scanouts/outputs.ts";
import { OutputsNews } from "./scanouts/outputs-news.ts";
import { answerFrom, type OutputAnswers, type Question } from "./scanouts/questions.ts";
import { Scanout } from "./scanouts/scanout.ts";
import type { LoadedKind } from "./sinks/registry.ts";
import { Sinks } from "./sinks/sinks.ts";
import { copyRect, takeSnapshot } from "./snapshot.ts";
import { Unseen } from "./unseen.ts";
import { UnreadableSurface } from "./surfaces/surface.ts";
import { type AnySurface, Surfaces } from "./surfaces/surfaces.ts";

type MessageOf<Type extends DisplayMessage["type"]> = Extract<DisplayMessage, { type: Type }>;

type OutputsAsker = "supervisor" | "inspector" | "ctrl-queue";

export class Display implements Actor<DisplayMessage> {
  private readonly scanouts = Array.from({ length: scanoutsMax }, (_, id) => new Scanout(id));
  private readonly surfaces: Surfaces;
  private readonly sinks: Sinks;
  private readonly io = new SocketIo();
  private readonly questions: Question[] = [];
  private readonly cursors: Cursors;
  private readonly outputs: Outputs;
  private readonly news = new OutputsNews();
  private readonly unseen: Unseen;
  private readonly answers: OutputAnswers;

  /** Shows scanouts through sinks of `kinds`. */
  constructor(
    private readonly context: ActorContext,
    kinds: readonly LoadedKind[],
  ) {
    this.surfaces = new Surfaces(context);
    const { config, keep } = context;
    this.outputs = new Outputs(config.scanouts, config.outputs, keep.subarray(0, outputWords));
    this.answers = {
      modes: (token, modes) => context.send("ctrl-queue", { type: "display-info", token, modes: [...modes] }),
      edid: (token, edid) => context.send("ctrl-queue", { type: "edid", token, edid }),
    };
    const { io, scanouts, answers } = this;
    const { modes } = this.outputs;
    const resized = (scanout: number, width: number, height: number): void =>
      this.prefer(scanout, width, height);
    const closed = (scanout: number): void => this.closed(scanout);
    const owner = { context, io, scanouts, modes, answers, resized, closed };
    this.sinks = new Sinks(owner, kinds, keep.subarray(outputWords));
    const isOn = (): boolean => scanouts.some(({ view }) => view !== null);
    this.unseen = new Unseen(context, () => this.sinks.isEmpty && isOn());
    this.cursors = new Cursors(
      context.area("cursor-images", "read"),
      scanouts,
      context.counters,
      (scanout) => this.sinks.cursor(scanout),
      (scanout) => this.sinks.cursorMove(scanout),
      context.life > 1,
    );
  }

  receive(message: DisplayMessage, from?: ActorName): void {
    switch (message.type) {
      case "flush":
        return this.flush(message);
      case "move-cursor":
      case "hide-cursor":
        return this.cursors.move(message);
      case "show-cursor":
        return this.cursors.load(message);
      case "show-scanout":
        return this.show(message);
      case "hide-scanout":
        return this.turnOff(this.scanouts[message.scanout]!);
      case "add-surface":
      case "add-dmabuf-surface":
      case "add-guest-surface":
        return this.surfaces.add(message, this.sinks.lendsMemory);
      case "drop-surface":
        return this.dropSurface(message.surface);
      case "ask-display-info":
      case "ask-edid":
        this.questions.push(message);
        return;
      case "modes-read":
        return this.news.cleared();
      case "ask-outputs":
        return this.tellOutputs(message, from === "inspector" || from === "ctrl-queue" ? from : "supervisor");
      case "take-outputs":
        return this.takeOutputs(message);
      case "ask-snapshot":
        return this.snapshot(message);
      case "ask-pixels":
        return this.tellPixels(message);
      case "ask-cursors":
        this.context.send("inspector", { type: "cursors", token: message.token, ...this.cursors.copy() });
        return;
      case "ask-description":
        return this.describe(message.token);
      default:
        return this.sinks.receive(message);
    }
  }

  /** What it has shown stays to be seen until another one shows something in its place. */
  peerLost(peer: WorkerName): void {
    if (peer !== "ctrl-queue") return;
    this.surfaces.orphan();
    this.dropOrphans();
  }

  peerBack(peer: WorkerName): void {
    if (peer === "ctrl-queue") this.sinks.tellTakesAgain();
  }

  turn(): boolean {
    if (this.questions.length > 0) this.askQuestions();
    const more = this.sinks.pump();
    // Many changes of one turn are told once.
    if (this.news.take()) this.context.send("vhost-session", { type: "display-changed" });
    // While there is always more to do the loop never sleeps, and so never sees the sockets.
    if (more) this.context.epoll.wait(0);
    return more;
  }

  stop(): void {
    this.sinks.close();
    this.surfaces.discard();
    this.cursors.free();
    this.io.close();
  }

  private dropSurface(id: number): void {
    const surface = this.surfaces.get(id);
    // A predecessor had it, and is gone with its mapping.
    if (surface === undefined) return this.surfaces.giveBack(id);
    for (const scanout of this.scanouts) {
      if (scanout.view?.surface === surface) this.turnOff(scanout);
    }
    surface.drop();
    this.sinks.dropped(surface);
  }

  private show({ scanout: id, surface: surfaceId, x, y, width, height }: MessageOf<"show-scanout">): void {
    const surface = this.surfaces.get(surfaceId);
    const scanout = this.scanouts[id]!;
    if (surface === undefined || !surface.isUsable) {
      // Unknown: sent before the sender began to restore this display. Unusable: said when it came.
      return this.turnOff(scanout);
    }
    const view = { surface, x, y, width, height };
    if (!surface.contains(view)) {
      throw new RangeError(`scanout ${id} shows ${width}x${height}+${x}+${y} of surface ${surfaceId}`);
    }
    this.context.counters[Counter.scanouts]!++;
    scanout.view = view;
    scanout.isKnown = true;
    this.sinks.scanout(scanout);
    this.dropOrphans();
    this.unseen.shown();
  }

  private dropOrphans(): void {
    // A page flip comes by here.
    if (!this.surfaces.hasOrphans) return;
    const isShown = (surface: AnySurface): boolean =>
      this.scanouts.some(({ view }) => view?.surface === surface);
    for (const surface of this.surfaces.takeOrphans(isShown)) {
      surface.drop();
      this.sinks.dropped(surface);
    }
  }

  private turnOff(scanout: Scanout): void {
    scanout.view = null;
    scanout.isKnown = true;
    this.sinks.scanout(scanout);
    this.dropOrphans();
  }

  private flush(message: MessageOf<"flush">): void {
    const scanout = this.scanouts[message.scanout]!;
    const { view } = scanout;
    if (view === null) return;
    const { x, y, width, height } = message;
    if (!isInside(message, view)) {
      throw new RangeError(`damage ${width}x${height}+${x}+${y} is outside of scanout ${scanout.id}`);
    }
    this.context.counters[Counter.flushes]!++;
    this.sinks.update(scanout, message);
  }

  /** Offers the guest another mode, where no sink says what the outputs are. */
  private prefer(scanout: number, width: number, height: number): void {
    if (this.sinks.outputs === null && this.outputs.isOn(scanout))
      this.change([{ output: scanout, isOn: true, size: { width, height } }], false);
  }

  /** A window is a monitor: the last one that is closed ends the device, another is one that was unplugged. */
  private closed(scanout: number): void {
    const { outputs, context } = this;
    if (this.sinks.outputs !== null || !outputs.isOn(scanout) || outputs.lit === 1)
      return context.send("supervisor", { type: "shut-down", reason: "its window was closed" });
    context.log.info(`output ${scanout} is off: its window was closed`);
    this.change([{ output: scanout, isOn: false, size: null }], false);
  }

  private change(changes: OutputChange[], isAll: boolean): void {
    if (this.outputs.change({ changes, isAll })) this.news.changed();
  }

  /** The guest knows of them, and is told nothing. */
  private takeOutputs({ outputs }: MessageOf<"take-outputs">): void {
    const changes = outputs.map(({ isOn, width, height }, output) => ({
      ...{ output, isOn },
      size: width > 0 && height > 0 ? { width, height } : null,
    }));
    this.outputs.change({ changes, isAll: true });
  }

  private tellOutputs({ token, changes }: MessageOf<"ask-outputs">, to: OutputsAsker): void {
    const said = this.sinks.outputs;
    const error = changes === null ? "" : refusalOf(changes, said !== null, this.outputs.count);
    if (changes !== null && error === "") this.change(changes.changes, changes.isAll);
    const outputs = outputsAccount(said ?? this.outputs.modes, this.scanouts);
    this.context.send(to, { type: "outputs", token, error, said: said === null ? "server" : "vmm", outputs });
  }

  private askQuestions(): void {
    // The VMM's socket may have come after this turn's messages were taken, but before the guest asked.
    if (this.context.isRung()) this.context.drain();
    for (const question of this.questions.splice(0)) {
      this.context.counters[Counter.questions]!++;
      if (this.sinks.ask(question)) continue;
      answerFrom(this.outputs.modes, question, this.answers);
      this.news.answered(question);
    }
  }

  private snapshot({ token, scanout }: MessageOf<"ask-snapshot">): void {
    const { view } = this.scanouts[scanout]!;
    this.context.counters[Counter.snapshots]!++;
    const { width, height } = view ?? { width: 0, height: 0 };
    let fd = -1;
    let error = view === null ? `scanout ${scanout} is off` : "";
    try {
      if (view !== null) fd = takeSnapshot(view);
    } catch (cause) {
      if (!(cause instanceof SystemError) && !(cause instanceof UnreadableSurface)) throw cause;
      error = `no picture of scanout ${scanout}: ${cause.message}`;
    }
    this.context.send("supervisor", { type: "snapshot", token, fd, width, height, error });
  }

  private tellPixels({ token, scanout, ...wanted }: MessageOf<"ask-pixels">): void {
    this.context.send("inspector", {
      type: "pixels",
      token,
      ...copyRect(this.scanouts[scanout]!.view, wanted),
    });
  }

  private describe(token: number): void {
    const state = {
      scanouts: describeScanouts(this.scanouts),
      surfaces: this.surfaces.size,
      sinks: this.sinks.describe(),
    };
    this.context.send("supervisor", { type: "description", token, state });
  }
}
