// Whatever the session does to a queue between the guest's commands, each command is run once and answered once, and nothing is
// thrown or left behind.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { request } from "../../lab/driver/commands.ts";
import { gpuDevice } from "../../src/actors/gpu/device-type.ts";
import { PARKED, type Parked, type QueueHandler } from "../../src/actors/queue/queue-handler.ts";
import { QueueRunner } from "../../src/actors/queue/queue-runner.ts";
import { closeFd, createEventfd, createMemfd, duplicateFd } from "../../src/transport/os/fds.ts";
import type { Position } from "../../src/transport/virtio/ring.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext } from "../support/fake-context.ts";
import { QueueBench } from "../support/queue-bench.ts";

/** Parks every third command or so, and answers those when it is told to. */
class Handler implements QueueHandler {
  queue!: QueueRunner;
  ran = 0;
  readonly parked: Parked[] = [];

  constructor(private readonly parks: readonly boolean[]) {}

  execute(): number {
    if (!this.parks[this.ran++ % this.parks.length]) return Response.OK_NODATA;
    this.parked.push(this.queue.park());
    return PARKED;
  }

  reset(): void {}

  finishParked(): void {
    for (const parked of this.parked.splice(0)) this.queue.refuse(parked, Response.ERR_UNSPEC);
  }
}

const actions = [
  "offer",
  "offer",
  "run",
  "run",
  "answer",
  "disable",
  "enable",
  "stop",
  "start",
  "kick-anew",
  "call",
  "err",
  "memory",
  "memory-away",
  "log",
  "vain-kick",
] as const;
type Action = (typeof actions)[number];

test("each command is run and answered once, whatever the session does meanwhile", () => {
  const log = createMemfd("log", 4096);
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...actions), { minLength: 10, maxLength: 80 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      (steps, parks, eventIdx) => {
        const context = new FakeContext("ctrl-queue");
        const handler = new Handler(parks);
        const queue = new QueueRunner(context, handler, gpuDevice.commands, 4096);
        handler.queue = queue;
        const bench = new QueueBench(
          context,
          {
            receive: (message: never) => queue.receive(message),
            turn: () => queue.turn(),
            stop: () => queue.close(),
          },
          { size: 64, eventIdx },
        );
        const isExpected = ({ text }: { text: string }): boolean =>
          /share=on|waits for its memory/.test(text);
        let position: Position = -1;
        let offered = 0;
        const start = (): void => {
          // A queue that has never begun is told to begin at zero; one that was stopped goes on.
          expect(bench.ask(bench.ringStart({ base: position }))).toBe("");
        };
        const act: Record<Action, () => void> = {
          offer() {
            // Two descriptors each.
            if (offered - bench.answers.length === 32) return;
            bench.offer(request(1), 64);
            offered++;
          },
          run: () => bench.run(),
          answer: () => {
            const parked = handler.parked.shift();
            if (parked !== undefined) queue.succeed(parked);
          },
          disable: () => void bench.ask({ type: "enable-ring", enabled: false, token: bench.nextToken() }),
          enable: () => void bench.ask({ type: "enable-ring", enabled: true, token: bench.nextToken() }),
          stop() {
            if (isStopped) return;
            position = bench.stopRing();
            isStopped = true;
          },
          start() {
            if (isStopped) start();
            isStopped = false;
          },
          // As another kick descriptor does to a ring that runs.
          "kick-anew"() {
            if (!isStopped) expect(bench.ask(bench.ringStart({ base: -1 }))).toBe("");
          },
          call: () => bench.tell({ type: "set-ring-call", callFd: duplicateFd(bench.driver.callFd) }),
          err: () => bench.tell({ type: "set-ring-err", errFd: createEventfd() }),
          memory: () => void bench.ask(bench.memoryMessage()),
          "memory-away"() {
            // A ring can only be started where its memory is.
            if (!isStopped) bench.ask(bench.memoryMessage([]));
            bench.ask(bench.memoryMessage());
          },
          log: () =>
            void bench.ask({
              type: "log-pages",
              fd: duplicateFd(log),
              offset: 0,
              size: 4096,
              token: bench.nextToken(),
            }),
          "vain-kick": () => bench.driver.kick(),
        };
        let isStopped = false;
        try {
          for (const step of steps) {
            act[step]();
            bench.collect();
          }
          act.start();
          act.enable();
          bench.run();
          while (handler.parked.length > 0) act.answer();
          bench.run();

          expect([handler.ran, bench.answers.length]).toEqual([offered, offered]);
          expect(context.logged.filter((line) => !isExpected(line))).toEqual([]);
        } finally {
          bench.close();
        }
      },
    ),
    { numRuns: 200 },
  );
  closeFd(log);
});
