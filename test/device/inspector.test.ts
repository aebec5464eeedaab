// A real server that is looked into while a guest draws: by HTTP, by the feed, by whoever must not.

import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Unpackr } from "msgpackr";
import { Outsider } from "../../lab/vmm/outsider.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type {
  ActorRecord,
  Batch,
  CommandRecord,
  ResourceRecord,
  Topic,
} from "../../src/actors/inspector/feed.ts";
import { BlobMem, Feature, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { decodePng } from "../support/png.ts";
import { expectOk, serveTests } from "./support.ts";

const { withDevice, server } = serveTests("--inspect", "--renderer=software");

const address = (): URL => new URL(/inspector: open (\S+)/.exec(server().log())![1]!);
const bearer = (): Record<string, string> => ({
  authorization: `Bearer ${address().searchParams.get("token")}`,
});

async function get<T = unknown>(path: string): Promise<T> {
  const response = await fetch(new URL(path, address()), { headers: bearer() });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

test("who tells of itself on the control socket is listed behind the actors, until it goes", async () => {
  const actors = (): Promise<ActorRecord[]> => get("/api/actors");
  const isThere = (all: ActorRecord[]): boolean => all.at(-1)!.name === "vmm";
  const outsider = new Outsider(server().controlPath, "vmm");
  outsider.tell("running", { exitsForRegisters: 7 });
  expect((await eventually(actors, isThere)).at(-1)).toMatchObject({
    name: "vmm",
    state: "running",
    counters: { exitsForRegisters: 7 },
  });
  const metrics = await fetch(new URL("/metrics", address()), { headers: bearer() });
  expect(await metrics.text()).toContain('actor_counter{actor="vmm",name="exitsForRegisters"} 7');
  outsider.close();
  expect(isThere(await eventually(actors, (all) => !isThere(all)))).toBe(false);
});

/** Asks until `holds`, while the inspector reads what the actors have just written. */
async function eventually<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await ask();
    if (holds(answer)) return answer;
    await Bun.sleep(20);
  }
  return await ask();
}

/** A page that keeps all batches. */
class Page {
  readonly batches: Batch[] = [];
  private readonly unpackr = new Unpackr({ useRecords: true, sequential: true });
  private constructor(readonly socket: WebSocket) {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) =>
      this.batches.push(this.unpackr.unpack(new Uint8Array(data as ArrayBuffer)) as Batch);
  }

  static open(): Promise<Page> {
    const url = new URL("/feed", address());
    url.protocol = "ws:";
    const socket = new WebSocket(url, { headers: bearer() } as never);
    const page = new Page(socket);
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(page);
      socket.onerror = () => reject(new Error("no feed"));
    });
  }

  subscribe(topic: Topic, filter?: string): void {
    this.socket.send(JSON.stringify({ type: "subscribe", topic, filter }));
  }

  /** All records of a topic so far. */
  all<Name extends "commands" | "messages" | "transitions" | "pictures">(topic: Name) {
    return this.batches.flatMap((batch) => (batch[topic] ?? []) as NonNullable<Batch[Name]>[number][]);
  }

  async until(holds: () => boolean): Promise<void> {
    for (let attempt = 0; attempt < 200 && !holds(); attempt++) await Bun.sleep(20);
    expect(holds()).toBe(true);
  }
}

test("what the guest has made, and each of its commands, is told with every field", () =>
  withDevice({}, async ({ gpu }) => {
    const screen = gpu.createImage(77, Format.B8G8R8X8, 320, 200);
    gpu.show(0, screen);
    gpu.flushResource(4242, areaOf(screen));
    const commands = await eventually(
      () => get<CommandRecord[]>("/api/commands?filter=queue:ctrl"),
      (all) => all.some(({ response }) => response === "ERR_INVALID_RESOURCE_ID"),
    );
    const created = commands.find(({ fields }) => fields["resourceId"] === 77)!;
    expect(created).toMatchObject({
      type: "RESOURCE_CREATE_2D",
      fields: { contextId: 0, resourceId: 77, format: "B8G8R8X8", width: 320, height: 200 },
      ...{ bytes: 40, response: "OK_NODATA", responseBytes: 24 },
      moves: [{ machine: "resource", id: 77, event: "CREATE_2D", from: "absent", to: "cpu2d.bare" }],
    });
    expect(created.takenNs).toBeGreaterThan(0);
    expect(created.completedNs).toBeGreaterThanOrEqual(created.takenNs);
    expect(created.publishedNs).toBeGreaterThanOrEqual(created.completedNs);
    const [refused] = commands.filter(({ fields }) => fields["resourceId"] === 4242);
    expect(refused!.moves).toMatchObject([
      { event: "RESOURCE_FLUSH", from: "absent", to: "ERR_INVALID_RESOURCE_ID", isRefused: true },
    ]);
    expect(await get("/api/commands?filter=errors&limit=1")).toEqual([refused]);

    expect(await get("/api/resources")).toMatchObject([
      { id: 77, state: "cpu2d.backed", width: 320, format: "B8G8R8X8", scanouts: [0], backingBytes: 256_000 },
    ]);
    expect(await get("/api/contexts")).toEqual([]);
    const latency =
      await get<{ type: string; count: number; p50Ns: number; maxNs: number }[]>("/api/latency");
    const flushes = latency.find(({ type }) => type === "RESOURCE_FLUSH")!;
    expect(flushes.p50Ns).toBeWithin(1, flushes.maxNs + 1);
    const machines = await get<{ actor: string; machine: string; counts: object[] }[]>("/api/machines");
    const resource = machines.find(({ machine }) => machine === "resource")!;
    expect(resource.counts).toContainEqual({
      ...{ state: "absent", event: "RESOURCE_FLUSH", to: null, count: 1 },
    });
    const actors = await get<{ name: string; state: string }[]>("/api/actors");
    expect(actors.find(({ name }) => name === "ctrl-queue")!.state).toBe("running");
  }));

test("a resource is told with the UUID that the guest has asked for", () =>
  withDevice({ gpuFeatures: [Feature.RESOURCE_UUID] }, async ({ gpu }) => {
    for (const id of [1, 2]) expectOk(gpu.createResource2d(id, Format.B8G8R8X8, 8, 8));
    const { uuid } = gpu.assignUuid(2);
    const told = await eventually(
      () => get<ResourceRecord[]>("/api/resources"),
      (all) => all.find(({ id }) => id === 2)?.uuid === uuid,
    );
    expect(told.find(({ id }) => id === 1)!.uuid).toBe("");
  }));

test("a blob is told by its length and, once it is shown, by how that reads it; its picture is what is shown", () =>
  withDevice({ gpuFeatures: [Feature.RESOURCE_BLOB] }, async ({ gpu, memory }) => {
    const pages = memory.allocate(8192, 4096);
    expectOk(gpu.createBlob({ resourceId: 5, mem: BlobMem.GUEST, size: 8192 }, [pages]));
    const blob = async (isIt: (one: ResourceRecord | undefined) => boolean) => {
      const find = (all: ResourceRecord[]) => all.find(({ id }) => id === 5);
      return find(
        await eventually(
          () => get<ResourceRecord[]>("/api/resources"),
          (all) => isIt(find(all)),
        ),
      )!;
    };
    expect(await blob((one) => one !== undefined)).toMatchObject({
      ...{ state: "blobGuest.backed", blob: "8192 bytes", width: 0, format: "", bytes: 0 },
      ...{ backingBytes: 8192, backingRuns: 1, scanouts: [], surface: 0 },
    });
    const layout = { format: Format.B8G8R8X8, width: 16, height: 4, strides: [128], offsets: [256] };
    expectOk(gpu.setScanoutBlob(0, 5, { x: 0, y: 0, width: 16, height: 4 }, layout));
    pages.words.fill(0x00_99_44_22);
    const shown = await blob((one) => one?.surface !== 0);
    expect(shown).toMatchObject({
      ...{ blob: "8192 bytes, rows of 128 bytes from byte 256", width: 16, height: 4, format: "B8G8R8X8" },
      ...{ scanouts: [0], bytes: 0 },
    });
    const response = await fetch(new URL("/api/picture?res=5", address()), { headers: bearer() });
    const { width, height, pixels } = decodePng(new Uint8Array(await response.arrayBuffer()));
    expect([width, height, pixels[0]! >>> 8]).toEqual([16, 4, 0x99_44_22]);
  }));

test("a recorder that somebody has asked for is told among the actors from then on", async () => {
  const actors = (): Promise<ActorRecord[]> => get<ActorRecord[]>("/api/actors");
  const path = join(mkdtempSync(join(tmpdir(), "fencepost-inspector-")), "recording");
  expect((await actors()).map(({ name }) => name)).not.toContain("recorder");
  try {
    expect(await server().control({ command: "record-start", path })).toMatchObject({ ok: true });
    const isTold = ({ name, state, counters, busy }: ActorRecord): boolean =>
      name === "recorder" && state === "running" && counters["entries"]! > 0 && busy < 1;
    const all = await eventually(actors, (list) => list.some(isTold));
    const recorder = all.find(isTold)!;
    expect(existsSync(`/proc/${server().pid}/task/${recorder.thread}`)).toBe(true);
    expect(recorder.taken["ctrl-queue"]).toBeGreaterThan(0);
    expect(recorder.processor).toBeWithin(0, 1.0001);
  } finally {
    await server().control({ command: "record-stop" });
    rmSync(join(path, ".."), { recursive: true });
  }
});

test("the inspector's thread, and no other, gives way to all that it looks at", async () => {
  const actors = await eventually(
    () => get<ActorRecord[]>("/api/actors"),
    (all) => all.every(({ thread }) => thread > 0),
  );
  const nice = Object.fromEntries(actors.map(({ name, thread }) => [name, nicenessOf(thread)]));
  const own = nicenessOf(process.pid);
  for (const name of actors.map(({ name }) => name))
    expect([name, nice[name]]).toEqual([name, name === "inspector" ? Math.min(own + 5, 19) : own]);
});

/** The 19th field of a thread's stat(5). */
function nicenessOf(thread: number): number {
  const stat = readFileSync(`/proc/${thread}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
}

test("when a resource was made, and which command named it last, is told; a refused CREATE makes none younger", () =>
  withDevice({}, async ({ gpu }) => {
    const image = gpu.createImage(31, Format.B8G8R8X8, 8, 8);
    expectOk(gpu.transferToHost2d(31, areaOf(image)));
    gpu.createResource2d(31, Format.B8G8R8X8, 8, 8);
    const resource = await eventually(
      async () => (await get<ResourceRecord[]>("/api/resources")).find(({ id }) => id === 31),
      (one) => one?.usedType === "RESOURCE_CREATE_2D",
    );
    const named = await get<CommandRecord[]>("/api/commands?filter=res:31");
    const made = named.find(({ type }) => type === "RESOURCE_CREATE_2D")!;
    expect(resource!.createdNs).toBeWithin(made.takenNs, made.completedNs + 1);
    expect(resource).toMatchObject({ usedNs: named.at(-1)!.takenNs, usedBy: named.at(-1)!.id });
    expectOk(gpu.unrefResource(31));
    expectOk(gpu.createResource2d(31, Format.B8G8R8X8, 8, 8));
    const next = await eventually(
      async () => (await get<ResourceRecord[]>("/api/resources")).find(({ id }) => id === 31),
      (one) => one !== undefined && one.createdNs > resource!.createdNs,
    );
    expect(next!.createdNs).toBeGreaterThan(resource!.usedNs);
  }));

test("a flush is followed from its command to the frame that shows it", () =>
  withDevice({}, async (guest) => {
    const { gpu } = guest;
    const page = await Page.open();
    for (const topic of ["commands", "pictures", "messages", "transitions"] as const) page.subscribe(topic);
    await Bun.sleep(100);
    const screen = gpu.createImage(5, Format.B8G8R8X8, 64, 64);
    gpu.show(0, screen);
    await Bun.sleep(100);
    screen.pixels.fill(0xff12_3456);
    expectOk(gpu.transferToHost2d(5, areaOf(screen)));
    expectOk(gpu.flushResource(5, areaOf(screen)));
    const isShown = (): boolean => ((guest.display!.framebuffer(0)?.pixels[0] ?? 0) & 0xffffff) === 0x123456;
    guest.pump.until(isShown, "the picture");
    const isTold = ({ what }: { what: string }): boolean => what === "damage";
    const begun = () =>
      page
        .all("pictures")
        .find(
          ({ what, message }) =>
            what === "frame-begun" && message >= (page.all("pictures").find(isTold)?.message ?? Infinity),
        );
    await page.until(() => begun() !== undefined);

    const flush = page.all("commands").findLast(({ type }) => type === "RESOURCE_FLUSH")!;
    const told = page.all("pictures").find(({ command, what }) => command === flush.id && what === "damage")!;
    expect(told).toMatchObject({ resource: 5, scanout: 0, width: 64, height: 64 });
    const message = page
      .all("messages")
      .find(({ name, number }) => name === "flush" && number === told.message)!;
    expect(message).toMatchObject({ from: "ctrl-queue", to: "display" });
    expect(message.fields).toContainEqual({ name: "height", value: 64 });
    const frame = begun()!;
    expect(frame).toMatchObject({ sink: "vmm", surface: told.surface, scanout: 0 });
    expect(frame.ns).toBeGreaterThan(told.ns);
    expect(page.all("transitions")).toContainEqual(
      expect.objectContaining({ machine: "resource", id: 5, event: "CREATE_2D", actor: "ctrl-queue" }),
    );
    page.socket.close();
  }));

test("a page sees all of a scanout, then what changes of it, and that it goes off", () =>
  withDevice({}, async ({ gpu }) => {
    const screen = gpu.createImage(6, Format.B8G8R8X8, 100, 50);
    screen.pixels.fill(0xff11_2233);
    gpu.show(0, screen);
    const page = await Page.open();
    page.subscribe("screen");
    const seen = () => page.batches.flatMap((batch) => batch.screen ?? []);
    await page.until(() => seen().some(({ viewWidth }) => viewWidth === 100));
    const whole = seen().find(({ viewWidth }) => viewWidth === 100)!;
    expect(whole).toMatchObject({
      scanout: 0,
      x: 0,
      y: 0,
      width: 100,
      height: 50,
      viewHeight: 50,
      error: "",
    });
    expect(whole.pixels.length).toBe(100 * 50 * 4);
    expect([...whole.pixels.subarray(0, 3)]).toEqual([0x33, 0x22, 0x11]);
    // The view may be told once more, as it was shown just before.
    await Bun.sleep(200);
    const before = seen().length;
    screen.pixels.fill(0xff44_5566, 10 * 100, 12 * 100);
    const rows = { x: 20, y: 10, width: 30, height: 2 };
    expectOk(gpu.transferToHost2d(6, areaOf(screen)));
    expectOk(gpu.flushResource(6, rows));
    await page.until(() => seen().length > before);
    expect(seen()[before]).toMatchObject(rows);
    expect([...seen()[before]!.pixels.subarray(0, 3)]).toEqual([0x66, 0x55, 0x44]);
    expect(seen()[before]!.pixels.length).toBe(30 * 2 * 4);
    expectOk(gpu.setScanout(0, 0, areaOf(screen)));
    await page.until(() =>
      seen().some(({ viewWidth, scanout }, at) => at > before && scanout === 0 && viewWidth === 0),
    );
    page.socket.close();
  }));

test("a page is told what it has subscribed to, and what it says wrong", () =>
  withDevice({}, async ({ gpu }) => {
    const page = await Page.open();
    page.subscribe("commands", "errors");
    page.subscribe("actors");
    page.subscribe("resources");
    page.socket.send("nonsense");
    page.socket.send('{"type":"subscribe","topic":"secrets"}');
    await page.until(() => page.batches.filter(({ error }) => error !== undefined).length === 2);
    expect(page.batches.map(({ error }) => error).filter(Boolean)).toEqual([
      "want JSON",
      expect.stringMatching(/^want a topic: actors, /),
    ]);
    expectOk(gpu.createResource2d(9, Format.B8G8R8X8, 8, 8));
    gpu.unrefResource(10);
    await page.until(() => page.batches.some(({ commands }) => commands !== undefined));
    expect(page.all("commands").map(({ type, response }) => `${type} ${response}`)).toEqual([
      "RESOURCE_UNREF ERR_INVALID_RESOURCE_ID",
    ]);
    await page.until(() =>
      page.batches.some(({ resources }) => resources?.resources.some(({ id }) => id === 9)),
    );
    await page.until(() => page.batches.some(({ actors }) => actors?.some(({ name }) => name === "display")));
    expect(page.batches.map(({ sequence }) => sequence)).toEqual(page.batches.map((_, index) => index));
    page.socket.close();
  }));

test("nobody is let in without the token, or by another site", async () => {
  const statusOf = async (headers: Record<string, string>, path = "/api/actors"): Promise<number> =>
    (await fetch(new URL(path, new URL("/", address())), { headers, redirect: "manual" })).status;
  expect(await statusOf({})).toBe(401);
  expect(await statusOf({ ...bearer(), host: "evil.example" })).toBe(421);
  expect(await statusOf({ ...bearer(), origin: "http://evil.example" })).toBe(403);
  expect(await statusOf({}, "/feed")).toBe(401);
  expect(await statusOf({}, "/metrics")).toBe(401);
  expect(await statusOf(bearer(), "/api/commands?limit=0")).toBe(400);
  expect(await statusOf(bearer(), "/api/nothing")).toBe(404);
  const metrics = await (await fetch(new URL("/metrics", address()), { headers: bearer() })).text();
  expect(metrics).toMatch(/^fencepost_actor_counter\{actor="ctrl-queue",name="commands"\} \d+$/m);
});

test("outputs are told, and changed by a POST that has the token and is no other site's", () =>
  withDevice({ frontend: "qemu", display: null }, async () => {
    const path = new URL("/api/outputs", address());
    const post = (body: string, headers: Record<string, string> = bearer()) =>
      fetch(path, { method: "POST", body, headers });
    const told = async (response: Response): Promise<unknown> => await response.json();
    expect(await told(await post("0=640x480"))).toMatchObject({
      said: "server",
      outputs: [{ output: 0, isOn: true, width: 640, height: 480 }],
    });
    expect(await told(await fetch(path, { headers: bearer() }))).toMatchObject({ outputs: [{ width: 640 }] });
    for (const [headers, status] of [
      [{}, 401],
      [{ ...bearer(), origin: "http://evil.example" }, 403],
      [{ ...bearer(), "sec-fetch-site": "cross-site" }, 403],
    ] as const) {
      expect((await post("0=off", headers)).status).toBe(status);
    }
    const refused = await post("0=9x9");
    expect(refused.status).toBe(400);
    expect(await told(refused)).toEqual({ error: "an output has 32 to 16384 pixels each way" });
    expect((await post(" ".repeat(65_536))).status).toBe(413);
    const elsewhere = new URL("/api/actors", address());
    expect((await fetch(elsewhere, { method: "POST", body: "", headers: bearer() })).status).toBe(405);
    expect((await fetch(path, { method: "PUT", body: "0=off", headers: bearer() })).status).toBe(405);
    expect(await told(await fetch(path, { headers: bearer() }))).toMatchObject({ outputs: [{ isOn: true }] });
  }));
