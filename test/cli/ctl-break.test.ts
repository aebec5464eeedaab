// Break and step from a shell: what is printed, how each ends, and that the guest goes on when nobody holds it.

import { expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import type { BreakRecord } from "../../src/actors/inspector/feed.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { serveTests } from "../device/support.ts";
import { CtlRun } from "../support/ctl-run.ts";

const { withDevice, server } = serveTests("--inspect", "--renderer=software");

const start = (...args: string[]): CtlRun => new CtlRun(args, server().controlPath);

async function ctl(...args: string[]): Promise<{ code: number; out: string; said: string }> {
  const run = start(...args);
  const code = await run.ended();
  return { code, out: run.out, said: run.said };
}

const create = (id: number): DataView => commands.createResource2d(id, Format.B8G8R8X8, 64, 32);

/** Waits until the break is there: `ctl` says nothing before it is hit. */
async function isSet(filter: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { breaks } = JSON.parse((await ctl("break", "--json")).out) as BreakRecord;
    if (breaks.includes(filter)) return;
  }
  throw new Error("the break was never set");
}

const submit = ({ gpu }: SyntheticGuest, ...requests: DataView[]): void => {
  for (const request of requests) gpu.control.submit(request);
};

test("a break waits, shows what is about to run and what it touches, holds it, and is done when the queue goes on", () =>
  withDevice({}, async (guest) => {
    const image = guest.gpu.createImage(7, Format.B8G8R8X8, 320, 200);
    guest.gpu.show(0, image);
    const breaking = start("break", "type:flush", "res:7");
    await isSet("type:flush res:7");
    submit(guest, commands.flushResource(7, { x: 1, y: 2, width: 3, height: 4 }), create(8), create(9));
    await breaking.until(({ said }) => said.includes("\n"));
    expect(breaking.said).toBe("ctl: the guest waits until `ctl continue`, or Ctrl-C here\n");
    const [head, ...lines] = breaking.out.trimEnd().split("\n");
    expect(head).toMatch(
      /^paused for [\d.]+ (?:ns|µs|ms|s) before ctrl-queue:\d+; \d commands? waits? behind: "type:flush res:7" holds for it$/,
    );
    expect(lines.map((line) => line.trim().replace(/ {2,}/g, "  ").replace(/:\d+/, ":N"))).toEqual([
      "",
      "ctrl-queue:N  RESOURCE_FLUSH",
      "FIELD  VALUE",
      ...["contextId  0", "x  1", "y  2", "width  3", "height  4", "resourceId  7"],
      "",
      "TOUCHES  ID  STATE  WHAT  AND IT",
      "resource  7  cpu2d.backed  320×200 B8G8R8X8  is shown as it is now",
      "scanout  0  on  resource 7  shows it",
    ]);

    const stepped = await ctl("step", "--json");
    expect(stepped).toMatchObject({ code: 0, said: "" });
    expect(JSON.parse(stepped.out)).toMatchObject({
      ...{ state: "paused", why: "step", behind: 1 },
      next: {
        type: "RESOURCE_CREATE_2D",
        fields: { resourceId: 8 },
        request: expect.stringMatching(/^01010000/),
      },
      touches: [{ kind: "resource", id: 8, how: "is made", state: "absent" }],
    });
    const twice = await ctl("step", "2");
    expect(twice.out).toMatch(
      /^paused for \S+ \S+ with no command to run: after a step; "type:flush res:7" holds it\n$/,
    );
    guest.gpu.control.waitAll();
    const went = await ctl("continue");
    expect({ ...went, running: await breaking.ended() }).toEqual({
      ...{ code: 0, said: "", running: 0 },
      out: expect.stringMatching(/^the ctrl queue runs/),
    });
    expect((await ctl("break")).out).toBe("the ctrl queue runs, and nobody has a break\n");
  }));

test("Ctrl-C clears a break, hit or not, and the guest goes on", () =>
  withDevice({}, async (guest) => {
    const waiting = start("break", "type:unref");
    await isSet("type:unref");
    waiting.interrupt();
    expect({ code: await waiting.ended(), out: waiting.out }).toEqual({ code: 0, out: "" });

    const hit = start("break", "errors", "--json");
    await isSet("errors");
    submit(guest, commands.unrefResource(99), create(8));
    await hit.until(({ out }) => out.includes("\n"));
    expect(JSON.parse(hit.out)).toMatchObject({
      ...{ state: "paused", why: "answer", heldBy: ["errors"] },
      cause: { type: "RESOURCE_UNREF", response: "ERR_INVALID_RESOURCE_ID", fields: { resourceId: 99 } },
    });
    expect((await ctl("break")).out).toMatch(
      /: "errors" holds for ctrl-queue:\d+ RESOURCE_UNREF, which was answered ERR_INVALID_RESOURCE_ID\n/,
    );
    hit.interrupt();
    expect(await hit.ended()).toBe(0);
    guest.gpu.control.waitAll();
  }));

test("a step or a continue of a queue that runs is refused, and so is what makes no sense", () =>
  withDevice({}, async () => {
    const runs = "ctl: the ctrl queue runs: it has to be paused by a break first\n";
    expect(await ctl("step")).toEqual({ code: 1, out: "", said: runs });
    expect(await ctl("continue", "--json")).toEqual({ code: 1, out: "", said: runs });
    expect(await ctl("break", "foo")).toMatchObject({
      code: 2,
      said: expect.stringContaining("foo: want ctx:N"),
    });
    expect(await ctl("step", "0")).toMatchObject({ code: 2, said: expect.stringContaining("step: want") });
    expect(await ctl("step", "1", "2")).toMatchObject({
      code: 2,
      said: "ctl: too many arguments for step: 1 2\n",
    });
    expect(await ctl("continue", "--limit=3")).toMatchObject({ code: 2 });
  }));

test("a break whose inspector crashes says so, and the guest goes on", () =>
  withDevice({}, async (guest) => {
    const hit = start("break", "");
    await isSet("");
    submit(guest, create(8));
    await hit.until(({ out }) => out.includes("\n"));
    await server().control({ command: "kill", actor: "inspector" });
    expect(await hit.ended()).toBe(1);
    expect(hit.said).toEndWith("ctl: the inspector has gone, and the ctrl queue goes on\n");
    guest.gpu.control.waitAll();
  }));
