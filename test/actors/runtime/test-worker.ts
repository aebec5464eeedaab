// An actor for the runtime's tests: sends, counts and waits as it is told.

import { workerData } from "node:worker_threads";
import type { WorkerName } from "../../../src/actors/registry.ts";
import type { Actor, ActorContext } from "../../../src/actors/runtime/actor.ts";
import { runActor } from "../../../src/actors/runtime/run-actor.ts";

export type Order =
  /** Send `count` numbered messages to `to`. */
  | { do: "flood"; to: WorkerName; count: number }
  | { do: "number"; value: number }
  /** Say how many numbered messages have come, and how many out of order. */
  | { do: "report" }
  /** Send `to` a ping, again and again, `count` times. */
  | { do: "play"; to: WorkerName; count: number }
  | { do: "ping" }
  | { do: "pong" }
  /** Do nothing else until the first kept word is not zero. */
  | { do: "spin" }
  | { do: "backlog"; to: WorkerName }
  /** Wait for `numbers` numbered messages at most `ms`. */
  | { do: "wait"; numbers: number; ms: number }
  | { do: "timers"; delays: number[] }
  | { do: "keep"; index: number; value: number }
  | { do: "count"; index: number; value: number }
  /** Take `turns` turns without sleeping. */
  | { do: "work"; turns: number }
  | { do: "fail"; where: "receive" | "turn" | "timer" };

class TestActor implements Actor<unknown> {
  private numbers = 0;
  private misplaced = 0;
  private expected = 0;
  private pongsLeft = 0;
  private playTo: WorkerName = "display";
  private turnsLeft = 0;
  private failsInTurn = false;

  constructor(private readonly context: ActorContext) {}

  receive(message: unknown, from: string): void {
    const order = message as Order;
    const { context } = this;
    switch (order.do) {
      case "flood":
        for (let value = 0; value < order.count; value++) this.tell(order.to, { do: "number", value });
        return this.say({ done: "flood" });
      case "number":
        this.numbers++;
        if (order.value !== this.expected) this.misplaced++;
        this.expected = order.value + 1;
        return;
      case "report":
        return this.say({ numbers: this.numbers, misplaced: this.misplaced });
      case "play":
        this.playTo = order.to;
        this.pongsLeft = order.count;
        return this.tell(order.to, { do: "ping" });
      case "ping":
        return this.tell(from as WorkerName, { do: "pong" });
      case "pong":
        if (--this.pongsLeft > 0) this.tell(this.playTo, { do: "ping" });
        else this.say({ done: "play" });
        return;
      case "spin":
        this.say({ done: "spinning" });
        while (Atomics.load(context.keep, 0) === 0);
        return;
      case "backlog":
        return this.say({ backlog: context.backlog(order.to) });
      case "wait": {
        const from = Bun.nanoseconds();
        const done = context.waitUntil(() => this.numbers >= order.numbers, order.ms);
        return this.say({ waited: done, ms: (Bun.nanoseconds() - from) / 1e6, numbers: this.numbers });
      }
      case "timers": {
        const fired: number[] = [];
        for (const delay of order.delays) {
          context.timers.after(delay, () => {
            fired.push(delay);
            if (fired.length === order.delays.length) this.say({ fired });
          });
        }
        return;
      }
      case "keep":
        this.say({ kept: context.keep[order.index] });
        context.keep[order.index] = order.value;
        return;
      case "count":
        context.counters[order.index] = order.value;
        return;
      case "work":
        this.turnsLeft = order.turns;
        return;
      case "fail":
        if (order.where === "receive") throw new Error("failed in receive");
        if (order.where === "turn") this.failsInTurn = true;
        else {
          context.timers.after(0, () => {
            throw new Error("failed in a timer");
          });
        }
        return;
    }
  }

  turn(): boolean {
    if (this.failsInTurn) throw new Error("failed in turn");
    if (this.turnsLeft === 0) return false;
    if (--this.turnsLeft === 0) this.say({ done: "work" });
    return this.turnsLeft > 0;
  }

  stop(): void {
    this.say({ done: "stop" });
  }

  private tell(to: WorkerName, order: Order): void {
    // As all messages, it has a name.
    this.context.send(to, { type: "order", ...order } as never);
  }

  private say(what: Record<string, unknown>): void {
    this.context.send("supervisor", { type: "description", token: 0, state: what });
  }
}

await runActor((workerData as { name: WorkerName }).name, (context) => new TestActor(context));
