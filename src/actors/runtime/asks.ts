// Questions to other actors: the one way to ask, and to be answered, to lose whom one has asked, and to ask again.
//
// A question has a token, which its answer brings back. Tokens go on where those of a crashed predecessor ended, whose
// answers may still be under way.

import { closeFd } from "../../transport/os/fds.ts";
import type { ActorName, Inbox } from "../registry.ts";
import { descriptorsIn } from "./lines/under-way.ts";

type Message = Inbox[ActorName];
type WithoutToken<M> = M extends { token: number } ? Omit<M, "token"> : never;

/** What may be asked of an actor, without the token that the asking adds. */
export type Question<To extends ActorName> = WithoutToken<Inbox[To]>;

/** What is told to be done, and answered by that it is. */
type Done = "done" | "ring-stopped";
/** `x` is the answer to `ask-x`. */
type AnswerName<Type> = Type extends `ask-${infer Name}` ? Name : Done;
/** The answer to a question, or null when there will be none. */
export type AnswerTo<Asked> = Asked extends { type: infer Type }
  ? Extract<Message, { type: AnswerName<Type> }> | null
  : never;

/** Those of the questions that there are: the compiler finds one that is missing here, or is a question's no more. */
type AnswerNames = AnswerName<Message["type"]>;
const answers: Readonly<Record<AnswerNames, true>> = {
  buffer: true,
  "cursor-image": true,
  "cursor-states": true,
  cursors: true,
  description: true,
  "display-info": true,
  done: true,
  edid: true,
  fence: true,
  inventory: true,
  mapping: true,
  outputs: true,
  picture: true,
  pixels: true,
  recording: true,
  "recording-end": true,
  "recording-pause": true,
  "recording-start": true,
  "recording-stop": true,
  "recording-stream": true,
  renewal: true,
  restore: true,
  "ring-stopped": true,
  snapshot: true,
  state: true,
  status: true,
  stream: true,
  "trace-end": true,
  unmapping: true,
};

/** Messages that answer a question. */
export const answerNames: ReadonlySet<string> = new Set(Object.keys(answers));

export interface AskOptions {
  /** Whether a successor of whom was asked is asked again; otherwise the question is settled without an answer then. */
  again?: boolean;
  /** How long an answer is waited for, in milliseconds: for ever where this is missing. */
  timeoutMs?: number;
}

interface Open {
  to: ActorName;
  question: { type: string };
  settle: (answer: Message | null) => void;
  again: boolean;
  /** Whether whoever was asked is gone, and has taken the question along. */
  isLost: boolean;
  cancelTimeout: () => void;
}

/** What asking needs of whoever asks. */
export interface Asker {
  send(to: ActorName, message: never): void;
  /** Runs `run` once after `ms`; returns a function that cancels it. */
  after(ms: number, run: () => void): () => void;
  /** A word that outlives a crash. */
  lastToken: Int32Array;
}

type Presence = "lost" | "gone";

export class Asks {
  private readonly open = new Map<number, Open>();
  /** Actors that have crashed: another one comes, or none does. */
  private readonly absent = new Map<ActorName, Presence>();

  constructor(private readonly asker: Asker) {}

  /**
   * Asks `to`, and runs `settle` once: with the answer, or with null when there will be none. Returns the token by which
   * the question can be dropped, or 0 where it is settled already, since whom it is for is gone. What a question gives away
   * to an actor that is gone is closed.
   */
  ask<To extends ActorName, Asked extends Question<To>>(
    to: To,
    question: Asked,
    settle: (answer: AnswerTo<Asked>) => void,
    { again = false, timeoutMs }: AskOptions = {},
  ): number {
    const presence = this.absent.get(to);
    if (presence === "gone") {
      closeAll(question);
      settle(null as AnswerTo<Asked>);
      return 0;
    }
    const { lastToken } = this.asker;
    const token = (lastToken[0] = (lastToken[0]! % 0x7fff_ffff) + 1);
    const cancelTimeout =
      timeoutMs === undefined ? nothing : this.asker.after(timeoutMs, () => this.settle(token, null));
    const isLost = presence === "lost";
    const open = { to, question, settle: settle as Open["settle"], again, isLost, cancelTimeout };
    this.open.set(token, open);
    if (isLost) closeAll(question);
    else this.send(token, to, question);
    return token;
  }

  /** Takes an answer; returns false for any other message. One that nobody waits for any more is closed. */
  takes(message: { type: string; token?: number }): boolean {
    if (!answerNames.has(message.type)) return false;
    if (!this.settle(message.token!, message as Message)) closeAll(message);
    return true;
  }

  /** Nobody waits for this answer any more. */
  drop(token: number): void {
    this.open.get(token)?.cancelTimeout();
    this.open.delete(token);
  }

  /** Whether there is a question of this type to `to` without an answer. */
  isOpen(to: ActorName, type: string): boolean {
    for (const one of this.open.values()) if (one.to === to && one.question.type === type) return true;
    return false;
  }

  /** `peer` has crashed with what it was asked, and another one comes or, where it does not return, none. */
  lose(peer: ActorName, returns: boolean): void {
    this.absent.set(peer, returns ? "lost" : "gone");
    for (const [token, one] of this.open) {
      if (one.to !== peer) continue;
      one.isLost = true;
      if (!returns) this.settle(token, null);
    }
  }

  /** Another `peer` is there, and may be asked. */
  find(peer: ActorName): void {
    this.absent.delete(peer);
  }

  /** Asks the new `peer` what its predecessor took along, or settles it without an answer. */
  recover(peer: ActorName): void {
    for (const [token, one] of this.open) {
      if (one.to !== peer || !one.isLost) continue;
      one.isLost = false;
      if (one.again) this.send(token, peer, one.question);
      else this.settle(token, null);
    }
  }

  private send(token: number, to: ActorName, question: object): void {
    this.asker.send(to, { ...question, token } as never);
  }

  private settle(token: number, answer: Message | null): boolean {
    const one = this.open.get(token);
    if (one === undefined) return false;
    this.drop(token);
    one.settle(answer);
    return true;
  }
}

const nothing = (): void => undefined;

function closeAll(message: object): void {
  for (const fd of descriptorsIn(message)) closeFd(fd);
}
