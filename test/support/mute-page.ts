// A page that has a break and says nothing more, not even that it is there: as of a browser that was stopped.

import { connect, type Socket } from "node:net";
import { inspectorIn } from "./break-page.ts";

/** A request as a WebSocket's frame, under a mask of zeros. */
function frameOf(request: object): Uint8Array {
  const text = Buffer.from(JSON.stringify(request));
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]);
}

/** Opens a page that sets a break at `filter`. */
export async function openMutePage(log: string, filter: string): Promise<Socket> {
  const { url, headers } = inspectorIn(log);
  const lines = {
    ...{ host: url.host, connection: "Upgrade", upgrade: "websocket" },
    ...{ "sec-websocket-version": "13", "sec-websocket-key": Buffer.alloc(16).toString("base64") },
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(Number(url.port), url.hostname);
  socket.write(`GET /feed HTTP/1.1\r\n${head.join("")}\r\n`);
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  socket.once("data", resolve).once("error", reject);
  await promise;
  socket.on("error", () => {}).resume();
  socket.write(frameOf({ type: "break", filter }));
  return socket;
}
