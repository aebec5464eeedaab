// A Wayland compositor as the peer of a sink: it configures what opens, draws while it is not stalled, and gives back the
// buffers that are attached nowhere any more.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Rect } from "../../../src/picture/damage.ts";
import { Pump } from "../../../lab/driver/pump.ts";
import { Stage } from "../../actors/display/stage.ts";
import { FakeContext, serverConfig } from "../fake-context.ts";
import { ScriptedCompositor, type ServerObject } from "../../../lab/vmm/scripted-compositor.ts";
import type { CursorSeen, SinkPeer } from "./peer.ts";

/** Longer than the display waits before it looks for a compositor again. */
const retryMs = 1_100;

export class CompositorPeer implements SinkPeer {
  readonly stage: Stage;
  private readonly directory = mkdtempSync(join(tmpdir(), "fencepost-sink-"));
  private readonly path = join(this.directory, "wayland-0");
  private readonly pump = new Pump();
  private compositor: ScriptedCompositor | null = null;
  private isStalled = false;
  private isDead = false;
  private configured = new Set<ServerObject>();
  private pointed: ServerObject | null = null;

  constructor(...flags: string[]) {
    const config = serverConfig(`--wayland=${this.path}`, ...flags);
    this.stage = new Stage(new FakeContext("display", config), this.pump);
  }

  async come(): Promise<void> {
    this.compositor = new ScriptedCompositor(this.path, this.pump);
    await Bun.sleep(retryMs);
    this.settle();
  }

  settle(): void {
    for (let round = 0; round < 8; round++) {
      this.stage.runner.run();
      this.pump.drain();
      if (this.compositor?.isConnected && !this.isStalled) this.act(this.compositor);
    }
  }

  stall(): void {
    this.isStalled = true;
  }

  resume(): void {
    this.isStalled = false;
  }

  picture(id = 0): Uint32Array | null {
    const surface = this.surfaceOf(id);
    if (surface === null) return null;
    const buffer = last(surface, "attach")?.[0];
    return typeof buffer === "object" ? this.cropped(surface, buffer as ServerObject) : null;
  }

  damage(): Rect {
    const [x, y, width, height] = last(this.surfaceOf(0)!, "damage_buffer") as number[];
    return { x: x!, y: y!, width: width!, height: height! };
  }

  frames(): number {
    return requests(this.surfaceOf(0)!, "attach").length;
  }

  cursor(): CursorSeen | null {
    const [, surface, hotX, hotY] = last(this.compositor!.one("wl_pointer"), "set_cursor") ?? [];
    if (typeof surface !== "object") return null;
    const buffer = last(surface as ServerObject, "attach")![0] as ServerObject;
    return { hotX: Number(hotX), hotY: Number(hotY), pixels: this.compositor!.pixelsOf(buffer) };
  }

  die(): void {
    // Nor does it come again.
    this.compositor!.close();
    rmSync(this.path);
    this.isDead = true;
  }

  isLeft(): boolean {
    this.pump.drain();
    return !this.compositor!.isConnected;
  }

  free(): void {
    this.stage.runner.stop();
    if (!this.isDead) this.compositor?.close();
    this.stage.free();
    rmSync(this.directory, { recursive: true });
  }

  private act(compositor: ScriptedCompositor): void {
    for (const toplevel of compositor.all("xdg_toplevel")) {
      if (this.configured.has(toplevel)) continue;
      this.configured.add(toplevel);
      compositor.configure(toplevel);
    }
    this.point(compositor);
    compositor.drawFrame();
    const attached = new Set(compositor.all("wl_surface").map((surface) => last(surface, "attach")?.[0]));
    for (const buffer of compositor.all("wl_buffer"))
      if (!attached.has(buffer)) compositor.send(buffer, "release");
  }

  /** Puts the pointer over the first window, once there is one. */
  private point(compositor: ScriptedCompositor): void {
    const surface = this.surfaceOf(0);
    if (surface === null || surface === this.pointed) return;
    const [pointer] = compositor.all("wl_pointer");
    if (pointer === undefined) return compositor.send(compositor.one("wl_seat"), "capabilities", 1);
    this.pointed = surface;
    compositor.send(pointer, "enter", 9, surface, 0, 0);
  }

  /** The surface of a scanout's window. */
  private surfaceOf(id: number): ServerObject | null {
    const { compositor } = this;
    const toplevel = compositor
      ?.all("xdg_toplevel")
      .find((one) => String(last(one, "set_title")?.[0]).endsWith(`scanout ${id}`));
    if (compositor === null || toplevel === undefined) return null;
    const xdgSurface = compositor
      .all("xdg_surface")
      .find((one) => requests(one, "get_toplevel").some(([made]) => made === toplevel));
    const made = requests(compositor.one("xdg_wm_base"), "get_xdg_surface");
    return made.find(([one]) => one === xdgSurface)![1] as ServerObject;
  }

  /** The part of a buffer that the surface's viewport shows. */
  private cropped(surface: ServerObject, buffer: ServerObject): Uint32Array {
    const compositor = this.compositor!;
    const pixels = compositor.pixelsOf(buffer).map((pixel) => pixel & 0xffffff);
    const made = requests(compositor.one("wp_viewporter"), "get_viewport");
    const viewport = made.find(([, one]) => one === surface)?.[0] as ServerObject | undefined;
    const [x, y, width, height] = (viewport && (last(viewport, "set_source") as number[])) ?? [-1, 0, 0, 0];
    if (x! < 0) return pixels;
    const stride = compositor.widthOf(buffer);
    return Uint32Array.from({ length: width! * height! }, (_, at) => {
      return pixels[(y! + Math.floor(at / width!)) * stride + x! + (at % width!)]!;
    });
  }
}

const requests = (object: ServerObject, name: string) =>
  object.requests.filter((request) => request.name === name).map(({ args }) => args);

const last = (object: ServerObject, name: string) => requests(object, name).at(-1);
