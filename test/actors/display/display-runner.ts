// A display without its worker.

import { Display } from "../../../src/actors/display/display.ts";
import { loadSinks } from "../../../src/actors/display/sinks/registry.ts";
import type { Inbox } from "../../../src/actors/registry.ts";
import { DisplayMessage } from "../../../src/actors/display/messages.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";

/** All kinds of sinks; a display has those that its settings ask for. */
const allKinds = await loadSinks(serverConfig("--wayland=/none"));

/** A display, and the loop that its worker would run. */
export class DisplayRunner {
  readonly display: Display;

  private isStopped = false;

  constructor(readonly context = new FakeContext("display")) {
    this.display = new Display(
      context,
      allKinds.filter(({ kind }) => kind.isWanted(context.config)),
    );
  }

  /** Delivers messages, checked as they would be in development. */
  tell(...messages: DisplayMessage[]): void {
    for (const message of messages) this.display.receive(DisplayMessage.parse(message));
  }

  /** What the display sent to `to`, in order. */
  told<To extends keyof Inbox>(to: To): Inbox[To][] {
    return this.context.sent.filter((one) => one.to === to).map(({ message }) => message as Inbox[To]);
  }

  /** What the ctrl queue was answered. */
  get answers(): Inbox["ctrl-queue"][] {
    return this.told("ctrl-queue").filter(({ type }) => type === "display-info" || type === "edid");
  }

  /** Surfaces that were given back. */
  get released(): number[] {
    return this.told("ctrl-queue").flatMap((message) =>
      message.type === "surface-released" ? [message.surface] : [],
    );
  }

  /** What the ctrl queue was told of dma-bufs: "no", "dmabuf" or "modifiers". */
  get takes(): string[] {
    return this.told("ctrl-queue").flatMap((message) => {
      if (message.type !== "sinks-changed") return [];
      return [message.modifiers ? "modifiers" : message.dmabuf ? "dmabuf" : "no"];
    });
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

  /** Stops the display, once: what it had mapped is somebody else's afterwards. */
  stopDisplay(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.display.stop();
  }

  stop(): void {
    this.stopDisplay();
    this.context.epoll.close();
  }
}
