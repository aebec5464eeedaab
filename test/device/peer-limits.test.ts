// What peers, pages and programs may have of one server, with limits that a test can reach; a guest notices nothing of them.

import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "../../lab/driver/commands.ts";
import { BridgeClient } from "../../src/transport/wire/bridge/client.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { Command, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { BreakPage, inspectorIn } from "../support/break-page.ts";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectWorking, serveTests } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-peers-"));
afterAll(() => rmSync(folder, { recursive: true }));
const bridgePath = join(folder, "bridge");

const { withDevice, server } = serveTests(
  ...["--renderer", "software", "--inspect", "--resource-bridge", bridgePath],
  ...["--bridge-peers-max", "2", "--control-peers-max", "3", "--pages-max", "2"],
  ...["--trace-readers-max", "1", "--log-lines-max", "3", "--command-bytes-max", "4096"],
);

limitsAreTold(() => server().log());

/** Tries until it works: that somebody has gone is heard a little later. */
async function eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
  for (const deadline = performance.now() + driverPatienceMs; ; await Bun.sleep(5)) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

limitTest("bridgePeersMax", "one peer too many is hung up on, until another goes", () =>
  withDevice({}, async (guest) => {
    guest.gpu.createImage(1, Format.B8G8R8X8, 8, 8);
    const peers = [1, 2].map(() => new BridgeClient(bridgePath, { patienceMs: driverPatienceMs }));
    const borrow = (peer: BridgeClient): void => {
      const lent = peer.ask({ kind: "buffer", resource: 1 });
      expect(lent.kind).toBe("buffer");
      closeFd(lent.fd);
    };
    peers.forEach(borrow);
    const late = new BridgeClient(bridgePath, { patienceMs: driverPatienceMs });
    expect(() => late.ask({ kind: "buffer", resource: 1 })).toThrow();
    late.close();
    peers.forEach(borrow);
    expectWorking(guest);
    peers.pop()!.close();
    const next = await eventually(() => {
      const peer = new BridgeClient(bridgePath, { patienceMs: driverPatienceMs });
      try {
        borrow(peer);
        return peer;
      } catch (error) {
        peer.close();
        throw error;
      }
    });
    for (const peer of [...peers, next]) peer.close();
  }),
);

/** A program that is connected to the control socket and says nothing. */
const program = (): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket: Socket = createConnection(server().controlPath, () => resolve(socket));
    socket.on("error", reject);
  });

limitTest("controlPeersMax", "one program too many is hung up on, until another goes", () =>
  withDevice({}, async (guest) => {
    // What ctl was asked before may still be there.
    const open = await eventually(() => Promise.all([program(), program()]));
    const third = await eventually(async () => {
      const socket = await program();
      const answer = await ask(socket);
      if (answer["ok"] === true) return socket;
      socket.destroy();
      throw new Error("there is no room yet");
    });
    // Told so, where it listens soon enough.
    const late = await server()
      .control({ command: "log-level", level: "info" })
      .catch(() => ({ ok: false }));
    expect(late.ok).toBe(false);
    expect(await ask(third)).toEqual({ ok: true, level: "info" });
    expectWorking(guest);
    third.destroy();
    await eventually(async () =>
      expect(await server().control({ command: "log-level", level: "info" })).toMatchObject({ ok: true }),
    );
    for (const socket of open) socket.destroy();
  }),
);

function ask(socket: Socket): Promise<Record<string, unknown>> {
  socket.write('{"command":"log-level","level":"info"}\n');
  return new Promise((resolve, reject) => {
    socket.once("data", (text) => resolve(JSON.parse(String(text)) as Record<string, unknown>));
    socket.once("error", reject);
  });
}

limitTest("pagesMax", "one page too many is refused, until another goes", () =>
  withDevice({}, async (guest) => {
    const pages = await Promise.all([1, 2].map(() => BreakPage.open(server().log())));
    const { url, headers } = inspectorIn(server().log());
    const late = await fetch(new URL("/feed", url), { headers });
    expect([late.status, await late.text()]).toEqual([503, "too many pages are open\n"]);
    await pages[0]!.until(({ state }) => state !== "paused");
    expectWorking(guest);
    pages.pop()!.close();
    pages.push(await eventually(() => BreakPage.open(server().log())));
    for (const page of pages) page.close();
  }),
);

limitTest("traceReadersMax", "one reader too many is refused, until another goes", () =>
  withDevice({}, async (guest) => {
    const { url, headers } = inspectorIn(server().log());
    const address = new URL("/api/trace", url);
    const reader = await fetch(address, { headers });
    expect(reader.status).toBe(200);
    const late = await fetch(address, { headers });
    expect([late.status, await late.text()]).toEqual([503, "1 traces are being read already\n"]);
    expectWorking(guest);
    await reader.body!.cancel();
    await eventually(async () => {
      const next = await fetch(address, { headers });
      await next.body!.cancel();
      expect(next.status).toBe(200);
    });
  }),
);

limitTest("logLinesMax", "a flood of mistakes is few lines, and another actor's mistake is still told", () =>
  withDevice({}, async (guest) => {
    const { control, gpu } = guest;
    const start = server().log().length;
    const began = performance.now();
    const mistake = (): unknown => gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 4711);
    for (let count = 0; count < 200; count++) mistake();
    const windows = Math.ceil((performance.now() - began) / 1000) + 1;
    control.call(request(Command.RESOURCE_UNREF, 4097));
    const lines = (): string[] => server().log().slice(start).split("\n");
    guest.pump.until(() => lines().some((line) => line.includes("ctrl-queue: ")), "the other actor's line");
    const told = lines().filter((line) => line.includes("no cursor image in resource 4711"));
    expect(told.length).toBeGreaterThanOrEqual(3);
    expect(told.length).toBeLessThanOrEqual(3 * windows);
    await eventually(() => {
      mistake();
      expect(server().log()).toMatch(/ more lines were not logged \(--log-lines-max 3\)/);
    });
  }),
);

limitTest("commandBytesMax", "a flood of commands that are too long is one line", () =>
  withDevice({}, (guest) => {
    const long = request(Command.RESOURCE_UNREF, 4097);
    for (let count = 0; count < 100; count++) guest.control.call(long);
    const told = server()
      .log()
      .split("\n")
      .filter((line) => line.includes("ctrl-queue: ") && line.includes("--command-bytes-max"));
    expect(told.length).toBeLessThanOrEqual(2);
    expect(told[0]).toContain(
      "the guest is at a limit: a command of 4097 bytes is refused; --command-bytes-max above 4096 allows more",
    );
  }),
);
