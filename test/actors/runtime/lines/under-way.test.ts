// Descriptors in messages to and from an actor that dies: each is closed once, by whoever has it.
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ZodType } from "zod";
import { fd as fdSchema } from "../../../../src/actors/runtime/fields.ts";
import { schemas } from "../../../support/schemas.ts";
import { Mailbox } from "../../../../src/actors/runtime/mailbox.ts";
import { SharedWords } from "../../../../src/actors/runtime/shared-words.ts";
import { descriptorsIn } from "../../../../src/actors/runtime/lines/under-way.ts";
import { closeFd, createEventfd } from "../../../../src/transport/os/fds.ts";
import { isOpen } from "../../../support/fds.ts";

const sender = "vhost-session";
const receiver = "cursor-queue";

let bells: Record<string, number>;
let words: SharedWords;
let ours: Mailbox;
let theirs: Mailbox;
const taken: object[] = [];

beforeEach(() => {
  bells = { [sender]: createEventfd(), [receiver]: createEventfd() };
  words = SharedWords.create();
  ours = new Mailbox(sender, words, bells);
  theirs = new Mailbox(receiver, words, bells);
  connect();
});
afterEach(() => {
  for (const message of taken.splice(0)) descriptorsIn(message).forEach(closeFd);
  for (const bell of Object.values(bells)) closeFd(bell);
  words.close();
});

function connect(): void {
  const { port1, port2 } = new MessageChannel();
  ours.link(receiver, { kind: "port", port: port1 });
  theirs.link(sender, { kind: "port", port: port2 });
}

/** The receiver crashes, and another is linked in its place. */
function replaceReceiver(): void {
  theirs = new Mailbox(receiver, words, bells);
  connect();
}

const take = (): void => theirs.drain((message) => taken.push(message as object));

function sendCall(): number {
  const callFd = createEventfd();
  ours.send(receiver, { type: "set-ring-call", callFd });
  return callFd;
}

test("what a receiver that died had not taken is closed when the next one is there", () => {
  const first = sendCall();
  take();
  const others = [sendCall(), sendCall()];
  expect([first, ...others].map(isOpen)).toEqual([true, true, true]);

  replaceReceiver();

  expect([first, ...others].map(isOpen)).toEqual([true, false, false]);
});

test("every descriptor of a message is closed, and no number that is none", () => {
  const fds = [createEventfd(), createEventfd(), createEventfd()];
  const region = { guestAddress: 0, size: 4096, fdOffset: 0 };
  ours.send(receiver, {
    type: "map-memory",
    token: 1,
    regions: [
      { ...region, id: 1, fd: fds[0]! },
      { ...region, id: 2, fd: -1 },
      { ...region, id: 3, fd: fds[1]! },
    ],
  });
  ours.send(receiver, { type: "log-pages", fd: fds[2]!, offset: 0, size: 4096, token: 2 });

  replaceReceiver();

  expect(fds.map(isOpen)).toEqual([false, false, false]);
});

test("what is sent to the next one is the next one's", () => {
  sendCall();
  replaceReceiver();
  const next = sendCall();
  take();
  replaceReceiver();

  expect(isOpen(next)).toBe(true);
});

test("what a sender that died had sent is closed where nobody takes it any more", () => {
  const fd = sendCall();
  ours = new Mailbox(sender, words, bells);
  connect();

  expect(isOpen(fd)).toBe(false);
});

test("counts that wrap tell taken from not taken", () => {
  const received = new Int32Array(1);
  received[0] = 0x7fff_fffe;
  // The count of a channel that has been busy for long, as its two ends would find it.
  const { receivedCount } = words;
  words.receivedCount = () => received[0]!;
  replaceReceiver();
  const fds = [sendCall(), sendCall(), sendCall()];
  received[0] += 2;
  replaceReceiver();
  words.receivedCount = receivedCount;

  expect(fds.map(isOpen)).toEqual([true, true, false]);
  for (const fd of fds.slice(0, 2)) closeFd(fd);
});

test("every message that may bring a descriptor is known to", () => {
  type Shape = Record<string, ZodType & { element?: { shape: Shape } }>;
  for (const schema of Object.values(schemas) as unknown as { options: { shape: Shape }[] }[]) {
    for (const { shape } of schema.options) {
      const own = Object.keys(shape).filter((key) => shape[key] === fdSchema);
      const regions = shape["regions"]?.element?.shape["fd"] === fdSchema ? [{ fd: 1000 }] : undefined;
      const type = (shape["type"] as unknown as { value: string }).value;
      const message = {
        type,
        ...Object.fromEntries(own.map((key) => [key, 1000])),
        ...(regions && { regions }),
      };
      expect([type, descriptorsIn(message).length]).toEqual([type, own.length + (regions?.length ?? 0)]);
    }
  }
});
