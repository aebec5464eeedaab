// Browsers and programs at the inspector's door: requests of HTTP and frames of a WebSocket, most with the token, few right.

import { randomBytes } from "node:crypto";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { inspectorUrl } from "../../vmm/inspector-url.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, oneIn, pick, word } from "../chance.ts";
import { RawConnection } from "../raw-connection.ts";
import { type Attack, patienceMs, type Place, Seen, type Target } from "../target.ts";

const connectionsMax = 6;
/** Inputs after which what comes back is read. */
const together = 12;
const paths = [
  ...[
    "/",
    "/feed",
    "/metrics",
    "/api/trace",
    "/api/record",
    "/nowhere",
    "/../../etc/passwd",
    "/%2e%2e/%00",
    "//",
  ],
  ...[
    "actors",
    "machines",
    "resources",
    "contexts",
    "fences",
    "latency",
    "load",
    "commands",
    "picture",
    "pictures",
  ].map((name) => `/api/${name}`),
  ...[
    "/api/outputs",
    "/api/replay",
    "/api/break",
    "/api/commands?filter=type:transfer&limit=3",
    "/api/picture?res=1",
  ],
];
const opcodes = [1, 1, 1, 1, 2, 0, 8, 9, 10, 3, 11];

export const inspector: Target = {
  name: "inspector",
  about: "a request of HTTP, or a frame of a WebSocket",
  batch: 2_000,
  flags: () => ["--renderer", "software", "--vulkan", "off", "--inspect"],
  begin: async (place) => new InspectorAttack(place, await inspectorUrl(place.server, patienceMs)),
};

class InspectorAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly connections: (Conversation | null)[] = Array.from({ length: connectionsMax }, () => null);
  private inputs = 0;

  constructor(
    { server }: Place,
    private readonly url: URL,
  ) {
    this.guest = SyntheticGuest.boot(server.socketPath, { patienceMs });
    this.guest.gpu.show(0, this.guest.gpu.createImage(1, Format.B8G8R8X8, 64, 64));
  }

  async input(chance: Chance): Promise<void> {
    const at = chance(connectionsMax);
    let conversation = this.connections[at]!;
    if (conversation === null || conversation.connection.isClosed) {
      const { hostname, port } = this.url;
      const connection = await RawConnection.open({ host: hostname, port: Number(port) });
      conversation = { connection, isSocket: oneIn(chance, 2) };
      this.connections[at] = conversation;
      if (conversation.isSocket) connection.write(this.upgrade());
    }
    const { connection, isSocket } = conversation;
    connection.write(isSocket ? frame(chance) : this.request(chance));
    if (++this.inputs % together === 0) {
      // The server's answers are read, and the guest's display served.
      await Bun.sleep(0);
      this.guest.pump.drain();
    }
    if (!oneIn(chance, 25)) return;
    connection.close();
    this.connections[at] = null;
  }

  async end(): Promise<void> {
    for (const connection of this.connections) connection?.connection.close();
    try {
      await this.look();
    } finally {
      this.guest.close();
    }
  }

  /** Whoever comes with the token and a whole request is answered. */
  private async look(): Promise<void> {
    const { hostname, port } = this.url;
    const connection = await RawConnection.open({ host: hostname, port: Number(port) });
    const lines = [
      "GET /api/actors HTTP/1.1",
      `Host: ${this.url.host}`,
      this.authorization,
      "Connection: close",
      "\r\n",
    ];
    connection.write(lines.join("\r\n"));
    await connection.until(() => false, "the inspector's answer");
    connection.close();
    const [status] = connection.first.split("\r\n");
    if (status !== "HTTP/1.1 200 OK") throw new Seen(`the inspector has answered "${status}"`);
  }

  private get authorization(): string {
    return `Authorization: Bearer ${this.url.searchParams.get("token")}`;
  }

  private upgrade(): string {
    const key = randomBytes(16).toString("base64");
    return [
      "GET /feed HTTP/1.1",
      `Host: ${this.url.host}`,
      this.authorization,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
      "\r\n",
    ].join("\r\n");
  }

  private request(chance: Chance): Uint8Array {
    const path = pick(chance, paths);
    const isPost = oneIn(chance, 6);
    const body = isPost ? pick(chance, ["{}", "0=640x480", "off", "x".repeat(chance(20_000)), "\u0000"]) : "";
    const text = [
      `${isPost ? "POST" : pick(chance, ["GET", "GET", "GET", "HEAD", "PUT", "OPTIONS", "G\u0001"])} ${path} HTTP/1.1`,
      `Host: ${oneIn(chance, 20) ? "evil.example" : this.url.host}`,
      ...(oneIn(chance, 10) ? [] : [this.authorization]),
      ...(oneIn(chance, 10) ? [`Origin: http://evil.example`] : []),
      ...(isPost ? [`Content-Length: ${oneIn(chance, 6) ? word(chance) : body.length}`] : []),
      ...(oneIn(chance, 20) ? [`X: ${"y".repeat(chance(20_000))}`] : []),
      ...(oneIn(chance, 20) ? ["Transfer-Encoding: chunked"] : []),
      "",
      body,
    ].join("\r\n");
    const bytes = Buffer.from(text);
    return oneIn(chance, 4) ? mutated(chance, bytes, 2 ** 16) : bytes;
  }
}

interface Conversation {
  readonly connection: RawConnection;
  readonly isSocket: boolean;
}

/** A frame from a client, masked by zeros. */
function frame(chance: Chance): Uint8Array {
  let payload: Uint8Array = Buffer.from(JSON.stringify(message(chance)));
  if (oneIn(chance, 3)) payload = mutated(chance, payload, 2 ** 15);
  const opcode = pick(chance, opcodes);
  const isControl = opcode >= 8;
  const { length } = isControl ? payload.subarray(0, 125) : payload;
  const first = (oneIn(chance, 20) ? 0 : 0x80) | (oneIn(chance, 60) ? 0x40 : 0) | opcode;
  const isMasked = oneIn(chance, 100) ? 0 : 0x80;
  const says = oneIn(chance, 60) ? chance(65_536) : length;
  const head = says < 126 ? [first, isMasked | says] : [first, isMasked | 126, says >>> 8, says & 0xff];
  return Buffer.concat([
    Uint8Array.from(head),
    new Uint8Array(isMasked === 0 ? 0 : 4),
    payload.subarray(0, length),
  ]);
}

function message(chance: Chance): unknown {
  const topic = pick(chance, [
    "actors",
    "screen",
    "resources",
    "contexts",
    "fences",
    "commands",
    "machines",
    "load",
    "outputs",
    "log",
  ]);
  const filter = pick(chance, [
    "",
    "ctx:1",
    "type:transfer",
    "slow:>1ms errors",
    "res:-1",
    "queue:",
    ":::",
    "x".repeat(5000),
  ]);
  const type = pick(chance, [
    "subscribe",
    "subscribe",
    "unsubscribe",
    "break",
    "clear",
    "step",
    "continue",
    "toString",
  ]);
  return {
    type,
    topic,
    ...(oneIn(chance, 2) ? { filter } : {}),
    ...(oneIn(chance, 4) ? { count: word(chance) } : {}),
  };
}
