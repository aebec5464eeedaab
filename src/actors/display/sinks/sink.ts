// What every sink is: something that shows scanouts at its own pace.
//
// A sink is told of changes, keeps its own account of what it has yet to show, and reads the newest state from the
// scanout when it can send. So a slow sink merges damage and skips frames, and slows nobody else.

import type { Rect } from "../../../picture/damage.ts";
import type { SocketIo } from "../../../transport/os/unix-socket.ts";
import type { DisplayMode } from "../../gpu/messages.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { DisplayMessage } from "../messages.ts";
import type { OutputAnswers, Question } from "../scanouts/questions.ts";
import type { Scanout } from "../scanouts/scanout.ts";
import type { AnySurface } from "../surfaces/surfaces.ts";

/** Which surfaces a sink shows by their dma-buf: any at all, and such as have a format modifier. */
export interface Takes {
  dmabuf: boolean;
  modifiers: boolean;
}

export interface Sink {
  readonly name: string;
  readonly takes: Takes;
  /** Milliseconds between the pictures of one output that a person can tell apart; 0 where there is no limit. */
  readonly periodMs: number;
  /** `scanout` shows another view, or nothing. All of it is damaged. */
  scanout(scanout: Scanout): void;
  /** `damage` is in the scanout's coordinates and inside of its view. */
  update(scanout: Scanout, damage: Rect): void;
  /** The cursor has a new image. */
  cursor(scanout: Scanout): void;
  /** The cursor moved, or was hidden. */
  cursorMove(scanout: Scanout): void;
  /** The ctrl queue wants `surface` back, which no scanout shows any more. */
  dropped?(surface: AnySurface): void;
  /** Says what the guest asks about its outputs, in place of the device itself. */
  ask?(question: Question): void;
  /** Of one that does: the outputs as it knows them. */
  readonly outputs?: readonly DisplayMode[];
  /** Sends what the other side takes without waiting. Returns true when it could go on at once. */
  pump(): boolean;
  /** Whether it has yet to show some of `scanout`'s damage. */
  isBehind(scanout: Scanout): boolean;
  /** Its state and counters, for people. */
  describe(): Record<string, unknown>;
  /** Lets go of everything, the display being about to end. */
  close(): void;
}

/** Messages that the display hands on to its sinks, unread. */
export type SinkMessage = Extract<DisplayMessage, { type: "take-vmm-socket" | "vmm-socket-closed" }>;

/** What those who open sinks have of the display. */
export interface SinkHost {
  readonly context: ActorContext;
  /** For one call at a time. */
  readonly io: SocketIo;
  readonly scanouts: readonly Scanout[];
  /** The outputs as the device itself knows them. */
  readonly modes: readonly DisplayMode[];
  readonly answers: OutputAnswers;
  /** Words that outlive a crash of the display, for its successor's sink of this kind; all zero at first. */
  readonly words: Int32Array;
  /** Shows everything through another sink from now on. */
  attach(sink: Sink): void;
  /** The sink is closed. */
  detach(sink: Sink): void;
  /** What {@link Sink.takes} says of one is another. */
  takesChanged(): void;
  /** {@link Sink.periodMs} of one is another. */
  periodChanged(): void;
  /** Somebody gave a scanout's picture another size, in pixels, which the guest may like to fill. */
  resized(scanout: number, width: number, height: number): void;
  /** Somebody closed the window of a scanout. */
  closed(scanout: number): void;
}

/** Opens sinks of one kind: at once where the settings ask for one, or when a message does. */
export interface SinkOpener {
  /** Takes a message that may be another kind's; whatever it brings is the opener's if it is its own. */
  receive?(message: SinkMessage): void;
}

/** A kind of sink, of which nothing is loaded yet. */
export interface SinkKind {
  readonly name: string;
  /** How many words it keeps for a successor. */
  readonly keepWords: number;
  /** Whether it lends surfaces in memory by their descriptors, which are kept for it. */
  readonly lendsMemory: boolean;
  /** Whether these settings, or a message that may come with them, ask for one. */
  isWanted(config: ActorContext["config"]): boolean;
  load(): Promise<new (host: SinkHost) => SinkOpener>;
}
