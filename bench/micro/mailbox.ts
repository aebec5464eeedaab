// A message from actor to actor: sent to one that is awake, and a doorbell that needs no system call; by a port between threads,
// and by rings between processes.

import { MessageChannel } from "node:worker_threads";
import { bench, group } from "mitata";
import { lineEnds } from "../../src/actors/runtime/lines/open.ts";
import { Mailbox } from "../../src/actors/runtime/mailbox.ts";
import { SharedWords, slotOf } from "../../src/actors/runtime/shared-words.ts";
import { createEventfd } from "../../src/transport/os/fds.ts";

const words = SharedWords.create();
const bellFds = { "ctrl-queue": createEventfd(), display: createEventfd(), "fence-poller": createEventfd() };
const { port1, port2 } = new MessageChannel();
const ctrlQueue = new Mailbox("ctrl-queue", words, bellFds);
const display = new Mailbox("display", words, bellFds);
ctrlQueue.link("display", { kind: "port", port: port1 });
display.link("ctrl-queue", { kind: "port", port: port2 });
const [sender, receiver] = [
  new Mailbox("ctrl-queue", words, bellFds),
  new Mailbox("fence-poller", words, bellFds),
];
const [end, otherEnd] = lineEnds("rings");
sender.link("fence-poller", end);
receiver.link("ctrl-queue", otherEnd);
const flush = { type: "flush", scanout: 0, x: 0, y: 0, width: 64, height: 64 } as const;
const slot = slotOf("display");

group("mailbox", () => {
  bench("send to an awake actor and drain", () => {
    ctrlQueue.send("display", flush);
    display.drain(() => {});
  });
  bench("send to a sleeping actor and drain", () => {
    words.fallAsleep(slot);
    ctrlQueue.send("display", flush);
    display.drain(() => {});
  });
  bench("send to an awake actor in another process and drain", () => {
    sender.send("fence-poller", flush as never);
    receiver.drain(() => {});
  });
  bench("look at one's own bell", () => display.isRung());
});
