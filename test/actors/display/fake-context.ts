// An actor context without a worker: messages are kept, descriptors and timers are real.

import { parseCommandLine, type ServerConfig } from "../../../src/config.ts";
import { Display } from "../../../src/actors/display/display.ts";
import type { Inbox } from "../../../src/actors/messages/index.ts";
import { DisplayMessage } from "../../../src/actors/messages/display.ts";
import type { ActorContext } from "../../../src/actors/runtime/actor.ts";
import { Log } from "../../../src/actors/runtime/log.ts";
import { Timers } from "../../../src/actors/runtime/timers.ts";
import { Epoll } from "../../../src/transport/os/epoll.ts";

export type Sent = { [To in keyof Inbox]: { to: To; message: Inbox[To] } }[keyof Inbox];

export function serverConfig(...flags: string[]): ServerConfig {
  const request = parseCommandLine(flags, {});
  if (request.kind !== "serve") throw new Error("no settings");
  return request.config;
}

/** Gives the actor `keep` words, so that two contexts can be one actor before and after a crash. */
export class FakeContext implements ActorContext {
  readonly name = "display";
  readonly machines = {} as ActorContext["machines"];
  readonly epoll = new Epoll();
  readonly timers = new Timers();
  readonly counters = new Float64Array(64);
  readonly sent: Sent[] = [];
  readonly logged: { level: string; text: string }[] = [];
  readonly log = new Log("debug", (level, text) => this.logged.push({ level, text }));
  /** What {@link drain} delivers. */
  readonly arriving: (() => void)[] = [];

  constructor(
    readonly config: ServerConfig = serverConfig(),
    readonly keep = new Int32Array(64),
  ) {}

  send<To extends keyof Inbox>(to: To, message: Inbox[To]): void {
    this.sent.push({ to, message: structuredClone(message) } as Sent);
  }

  backlog(): number {
    return 0;
  }

  isRung(): boolean {
    return this.arriving.length > 0;
  }

  drain(): void {
    for (const deliver of this.arriving.splice(0)) deliver();
  }

  waitUntil(done: () => boolean): boolean {
    return done();
  }
}

/** A display, and the loop that its worker would run. */
export class DisplayRunner {
  readonly display: Display;

  constructor(readonly context = new FakeContext()) {
    this.display = new Display(context);
  }

  /** Delivers messages, checked as they would be in development. */
  tell(...messages: DisplayMessage[]): void {
    for (const message of messages) this.display.receive(DisplayMessage.parse(message));
  }

  /** What the display sent to `to`, in order. */
  told<To extends keyof Inbox>(to: To): Inbox[To][] {
    return this.context.sent.filter((one) => one.to === to).map(({ message }) => message as Inbox[To]);
  }

  /** Runs turns while there is work, and then serves what is ready, at most so often; never waits. */
  run(rounds = Infinity): void {
    const { context, display } = this;
    for (let round = 0; round < rounds; round++) {
      context.timers.runDue();
      while (display.turn());
      if (context.epoll.wait(0) === 0) return;
    }
  }

  stop(): void {
    this.display.stop();
    this.context.epoll.close();
  }
}
