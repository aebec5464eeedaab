// A WebSocket's client whose reader may wait: messages of every length, pings, and servers that are none.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Server, ServerWebSocket } from "bun";
import { createServer, type Socket } from "node:net";
import { type Listener, RawWebSocket } from "../../../lab/replay/scrubber/raw-websocket.ts";

let server: Server<unknown>;
let theirs = Promise.withResolvers<ServerWebSocket<unknown>>();
let heard: string[] = [];
let pongs: string[] = [];

beforeAll(() => {
  server = Bun.serve<unknown>({
    port: 0,
    fetch: (request, self) =>
      request.headers.get("authorization") === "Bearer x" && self.upgrade(request, { data: null })
        ? undefined
        : new Response("no", { status: 401 }),
    websocket: {
      open: (socket) => theirs.resolve(socket),
      message: (_, text) => void heard.push(String(text)),
      pong: (_, bytes) => void pongs.push(bytes.toString()),
      backpressureLimit: 2 ** 30,
    },
  });
});
afterAll(() => server.stop(true));

/** What a client heard, and itself. */
function client(port: number, authorization = "Bearer x") {
  const told: { messages: Uint8Array[]; pings: string[]; isClosed: boolean; isOpen: boolean } = {
    ...{ messages: [], pings: [], isClosed: false, isOpen: false },
  };
  const listener: Listener = {
    opened: () => void (told.isOpen = true),
    message: (bytes) => void told.messages.push(bytes.slice()),
    pinged: (bytes) => void told.pings.push(Buffer.from(bytes).toString()),
    closed: () => void (told.isClosed = true),
  };
  theirs = Promise.withResolvers();
  return { told, socket: new RawWebSocket("127.0.0.1", port, "/feed", { authorization }, listener) };
}

async function until(happened: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 1000 && !happened(); attempt++) await Bun.sleep(5);
  expect(happened()).toBeTrue();
}

test("takes and says messages of every length, and hears pings", async () => {
  const { told, socket } = client(server.port!);
  const peer = await theirs.promise;
  const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 3_000_000];
  for (const length of lengths) peer.sendBinary(new Uint8Array(length).fill(length % 251));
  await until(() => told.messages.length === lengths.length);
  expect(told.messages.map(({ length }) => length)).toEqual(lengths);
  expect(told.messages.every((bytes) => bytes.every((byte) => byte === bytes.length % 251))).toBeTrue();
  peer.ping("are you there");
  await until(() => told.pings.length === 1);
  expect(told.pings).toEqual(["are you there"]);
  pongs = [];
  socket.pong(Buffer.from("yes"));
  heard = [];
  for (const text of ["", "x".repeat(125), "é".repeat(500)]) socket.send(text);
  await until(() => heard.length === 3 && pongs.length > 0);
  expect([heard, pongs]).toEqual([["", "x".repeat(125), "é".repeat(500)], ["yes"]]);
  socket.close();
  await until(() => told.isClosed);
});

test("a reader that waits is heard of by the server, and misses nothing", async () => {
  const { told, socket } = client(server.port!);
  const peer = await theirs.promise;
  await until(() => told.isOpen);
  socket.pause();
  const [count, bytes] = [64, 1024 * 1024];
  for (let number = 0; number < count; number++) peer.sendBinary(new Uint8Array(bytes).fill(number));
  // Sockets have room for some of it; then nothing more goes.
  let before = -1;
  while (peer.getBufferedAmount() !== before) {
    before = peer.getBufferedAmount();
    await Bun.sleep(50);
  }
  expect(before).toBeGreaterThan((count * bytes) / 2);
  socket.resume();
  await until(() => told.messages.length === count);
  expect(told.messages.map((message) => message.at(-1)!)).toEqual(
    Array.from({ length: count }, (_, at) => at),
  );
  socket.close();
});

test("one that is not let in, or that nobody hears, is closed", async () => {
  const refused = client(server.port!, "Bearer y");
  await until(() => refused.told.isClosed);
  expect(refused.told.isOpen).toBeFalse();
  const nobody = client(1);
  await until(() => nobody.told.isClosed);
});

const greeting = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

test.each([
  ["a head without end", "x".repeat(40_000)],
  ["a frame that is masked", `${greeting}\x82\x81\x00\x00\x00\x00a`],
  ["a message in pieces", `${greeting}\x02\x01a`],
  ["a message that is too long", `${greeting}\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00`],
  ["a goodbye", `${greeting}\x88\x00`],
])("hangs up on %s", async (_, bytes) => {
  const accepted: Socket[] = [];
  const hostile = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => {});
    socket.write(bytes, "latin1");
  });
  await new Promise<void>((resolve) => hostile.listen(0, "127.0.0.1", resolve));
  try {
    const { told } = client((hostile.address() as { port: number }).port);
    await until(() => told.isClosed);
    expect(told.messages).toEqual([]);
  } finally {
    for (const socket of accepted) socket.destroy();
    hostile.close();
  }
});
