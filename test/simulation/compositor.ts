// A Wayland compositor that takes its time, and does what it may in any order; what its windows show has to be what the model says.

import { Pump } from "../../lab/driver/pump.ts";
import { type Chance, oneIn, word } from "../../lab/fuzz/chance.ts";
import { ScriptedCompositor, type ServerObject, usualGlobals } from "../../lab/vmm/scripted-compositor.ts";
import { Fourcc } from "../../src/picture/drm-formats.ts";
import type { WireValue } from "../../src/transport/wire/wayland/wire.ts";
import { Mismatch } from "./answers.ts";
import { DrawnSurface } from "./drawn-surface.ts";
import { type Model, scanoutCount } from "./model.ts";
import type { Party, Scheduler } from "./runtime/scheduler.ts";
import { comparePointer, compareWindow, type ShownCursor } from "./screen.ts";

const globals = { ...usualGlobals, wp_fractional_scale_manager_v1: 1, zxdg_decoration_manager_v1: 1 };
/** Those that no window is shown without. */
const needed = new Set(["wl_compositor", "wl_shm", "xdg_wm_base"]);
const [fullscreen, activated] = [2, 4];
/** Of the simulation's time: as long as a client may take to come again, and show what there is. */
const patienceMs = 10_000;

export class SimulatedCompositor implements Party {
  readonly name = "compositor";
  /** Pictures of windows that were compared. */
  windows = 0;
  private readonly pump = new Pump();
  readonly server: ScriptedCompositor;
  /** What the next client is offered, which is in any order. */
  private readonly offered: Record<string, number> = {};
  private surfaces = new Map<ServerObject, DrawnSurface>();
  /** Buffers that were committed, and not given back. */
  private held = new Set<ServerObject>();
  private tasks: { atNs: number; run: () => void }[] = [];
  private connections = 0;
  private serial = 0;
  private outputScale = 1;
  /** Where the pointer is, and since which of its events. */
  private entered: { window: DrawnSurface; pointer: ServerObject; serial: number } | null = null;
  private cursor: ShownCursor | null = null;
  private violation = "";

  constructor(
    path: string,
    readonly scheduler: Scheduler,
    private readonly chance: Chance,
  ) {
    this.offer(true);
    this.server = new ScriptedCompositor(path, this.pump, this.offered);
    this.server.strayed = (what) => this.violate(what);
    this.server.asked = (...request) => this.asked(...request);
    scheduler.add(this);
  }

  step(): boolean {
    const wasReady = this.pump.epoll.wait(0) > 0;
    this.follow();
    const now = this.scheduler.atNs;
    const due = this.tasks.filter(({ atNs }) => atNs <= now);
    this.tasks = this.tasks.filter(({ atNs }) => atNs > now);
    for (const { run } of due) run();
    return wasReady || due.length > 0;
  }

  dueMs(): number {
    const next = Math.min(...this.tasks.map(({ atNs }) => atNs));
    return next === Infinity ? -1 : Math.max(0, next - this.scheduler.atNs) / 1e6;
  }

  /** Throws a {@link Mismatch} for what a client may not do. */
  check(): void {
    if (this.violation !== "") throw new Mismatch(`the compositor was sent ${this.violation}`);
  }

  /** Behaves, and compares every window and the pointer's cursor with the model. Throws a {@link Mismatch}. */
  compare(model: Model): void {
    const { scheduler } = this;
    this.follow();
    this.offer(true);
    const isWhole = this.server.all("xdg_wm_base").length > 0 && this.server.all("wl_shm").length > 0;
    if (!isWhole) this.server.drop();
    this.seat(1);
    for (const window of this.allWindows()) this.configure(window);
    scheduler.until(() => this.isShowing(model), patienceMs);
    // It may have been held up while a window was opened, which closes again by itself.
    scheduler.settle(500, 5_000);
    scheduler.until(() => this.isShowing(model), patienceMs);
    if (this.entered === null || oneIn(this.chance, 4)) this.enter(this.anyWindow(this.chance));
    scheduler.settle(500, 5_000);
    this.check();
    for (let scanout = 0; scanout < scanoutCount; scanout++)
      if (compareWindow(this.windowOf(scanout), model, scanout)) this.windows++;
    const { entered, cursor } = this;
    if (entered?.window.isWindow && !entered.pointer.isDestroyed)
      comparePointer(entered.window, entered.serial, cursor, model);
  }

  close(): void {
    this.server.close();
    this.pump.close();
  }

  /** Forgets a client that is gone, or has come again. */
  follow(): void {
    const { connections, isConnected } = this.server;
    if (isConnected && connections === this.connections) return;
    this.connections = connections;
    this.surfaces.clear();
    this.held.clear();
    this.tasks = [];
    this.entered = this.cursor = null;
  }

  private offer(isWhole: boolean): void {
    const { offered, chance } = this;
    for (const name of Object.keys(offered)) delete offered[name];
    const names = Object.keys(globals).filter((name) => (isWhole && needed.has(name)) || !oneIn(chance, 8));
    while (names.length > 0) {
      const [name] = names.splice(chance(names.length), 1);
      offered[name!] = globals[name as keyof typeof globals]!;
    }
  }

  private later(run: () => void): void {
    const { chance, scheduler } = this;
    const ms = oneIn(chance, 10) ? chance(400) : chance(25);
    this.tasks.push({ atNs: scheduler.atNs + ms * 1e6, run });
  }

  private violate(what: string): void {
    if (this.violation === "") this.violation = what;
  }

  private asked(object: ServerObject, name: string, args: readonly (WireValue | ServerObject)[]): void {
    this.follow();
    const { surfaces } = this;
    const [first, second] = args as ServerObject[];
    const surface = surfaces.get(object)!;
    const numbers = args as number[];
    switch (`${object.interface.name}.${name}`) {
      case "wl_display.get_registry":
        return this.offer(oneIn(this.chance, 2));
      case "wl_registry.bind":
        return this.bound(args[3] as ServerObject);
      case "wl_compositor.create_surface":
        surfaces.set(first!, new DrawnSurface(this.server, first!));
        return;
      case "xdg_wm_base.get_xdg_surface":
        this.roleOf(first!, second!).xdgSurface = first!;
        return;
      case "xdg_surface.get_toplevel":
        this.roleOf(first!, object).toplevel = first!;
        return;
      case "wp_viewporter.get_viewport":
        this.roleOf(first!, second!).hasViewport = true;
        return;
      case "wp_fractional_scale_manager_v1.get_fractional_scale":
        this.roleOf(first!, second!).fractional = first!;
        return;
      case "xdg_toplevel.set_title":
        surface.title = args[0] as string;
        return;
      case "xdg_surface.ack_configure":
        return this.acknowledge(surface, numbers[0]!);
      case "wp_viewport.set_source": {
        const [x, y, width, height] = numbers as [number, number, number, number];
        surface.next.source = width < 0 ? null : { x, y, width, height };
        return;
      }
      case "wp_viewport.set_destination":
        surface.next.destination = args.join("x");
        return;
      case "wl_surface.attach":
        surface.next.buffer = first!;
        surface.isAttached = true;
        return;
      case "wl_surface.damage_buffer": {
        const [x, y, width, height] = numbers as [number, number, number, number];
        surface.nextDamage.push({ x, y, width, height });
        return;
      }
      case "wl_surface.frame":
        surface.callbacks.push(first!);
        return;
      case "wl_surface.commit":
        return this.commit(surface);
      case "wl_pointer.set_cursor":
        this.cursor = {
          serial: numbers[0]!,
          surface: surfaces.get(second!) ?? null,
          hotX: numbers[2]!,
          hotY: numbers[3]!,
        };
    }
  }

  private roleOf(role: ServerObject, of: ServerObject): DrawnSurface {
    const surface = this.surfaces.get(of)!;
    this.surfaces.set(role, surface);
    return surface;
  }

  private bound(object: ServerObject): void {
    const { server, chance } = this;
    switch (object.interface.name) {
      case "wl_seat":
        return this.later(() => this.seat(1));
      case "wl_shm":
        for (const format of [Fourcc.XBGR8888, Fourcc.BGRX8888, Fourcc.RGBX8888])
          if (oneIn(chance, 2)) server.send(object, "format", format);
        return;
      case "wl_output":
        this.outputScale = 1 + chance(3);
        server.send(object, "mode", chance(4), 800, 600, chance(2) === 0 ? word(chance) : 60_000);
        server.send(object, "scale", this.outputScale);
    }
  }

  private commit(surface: DrawnSurface): void {
    const { chance } = this;
    const before = surface.buffer;
    const wrong = surface.commit();
    if (wrong !== "") return this.violate(wrong);
    const { buffer, toplevel } = surface;
    if (buffer !== null && surface.isStale) this.held.add(buffer);
    if (before !== null && before !== buffer) this.later(() => this.release(before));
    if (toplevel !== null && buffer === null) {
      if (oneIn(chance, 2)) this.later(() => this.rescale(surface, chance));
      if (oneIn(chance, 2)) this.later(() => this.move(surface));
      return this.later(() => this.configure(surface));
    }
    if (surface.isDue) return;
    surface.isDue = true;
    this.later(() => this.draw(surface));
  }

  private draw(surface: DrawnSurface): void {
    const { buffer, object } = surface;
    surface.isDue = false;
    if (object.isDestroyed) return;
    surface.draw();
    // It may open under the pointer.
    if (this.entered === null && surface.isWindow && oneIn(this.chance, 2)) this.enter(surface);
    for (const callback of surface.callbacks.splice(0)) this.later(() => this.server.finish(callback));
    if (buffer !== null && oneIn(this.chance, 2)) this.later(() => this.release(buffer));
  }

  private release(buffer: ServerObject): void {
    const isRead = [...this.surfaces.values()].some((one) => one.buffer === buffer && one.isStale);
    // It is released once it is drawn, and another is there.
    if (isRead || buffer.isDestroyed || !this.held.delete(buffer)) return;
    this.server.send(buffer, "release");
  }

  private configure(window: DrawnSurface): void {
    if (!window.isWindow) return;
    const [width, height] = [this.chance(300), this.chance(300)];
    const states = [activated, fullscreen].filter(() => oneIn(this.chance, 2));
    window.wanted = { width, height, isFixed: states.includes(fullscreen) };
    const bytes = new Uint8Array(Uint32Array.from(states).buffer);
    this.server.send(window.toplevel!, "configure", width, height, bytes);
    this.server.send(window.xdgSurface!, "configure", this.nextSerial());
  }

  private acknowledge(window: DrawnSurface, serial: number): void {
    if (serial > this.serial) this.violate(`an answer to configure ${serial}, of which there was none`);
    window.isAcknowledged = true;
  }

  /** With a pointer, or without. */
  seat(capabilities: number): void {
    for (const seat of this.server.all("wl_seat")) this.server.send(seat, "capabilities", capabilities);
  }

  enter(window: DrawnSurface | undefined): void {
    const [pointer] = this.server.all("wl_pointer");
    this.leave();
    if (window === undefined || pointer === undefined) return;
    this.entered = { window, pointer, serial: this.nextSerial() };
    this.server.send(pointer, "enter", this.serial, window.object, 0, 0);
  }

  leave(): void {
    const { entered } = this;
    this.entered = null;
    if (entered?.window.isWindow && !entered.pointer.isDestroyed)
      this.server.send(entered.pointer, "leave", this.nextSerial(), entered.window.object);
  }

  /** Any scale, which may be none. */
  rescale(window: DrawnSurface | undefined, chance: Chance): void {
    if (!window?.isWindow || window.fractional === null) return;
    window.fraction = chance(400);
    this.server.send(window.fractional, "preferred_scale", window.fraction);
  }

  /** To the output, or away from it. */
  move(window: DrawnSurface | undefined): void {
    const [output] = this.server.all("wl_output");
    if (!window?.isWindow || output === undefined) return;
    const isOn = window.outputScale > 0;
    window.outputScale = isOn ? 0 : this.outputScale;
    this.server.send(window.object, isOn ? "leave" : "enter", output);
  }

  nextSerial(): number {
    return ++this.serial;
  }

  anyWindow(chance: Chance): DrawnSurface | undefined {
    const all = this.allWindows();
    return all[all.length === 0 ? 0 : chance(all.length)];
  }

  private allWindows(): DrawnSurface[] {
    return [...new Set(this.surfaces.values())].filter(({ isWindow }) => isWindow);
  }

  private windowOf(scanout: number): DrawnSurface | undefined {
    return this.allWindows().find((window) => window.scanout === scanout);
  }

  private isShowing(model: Model): boolean {
    if (this.tasks.length > 0 || !this.server.isConnected) return false;
    return model.scanouts.every((shown, scanout) => {
      const window = this.windowOf(scanout);
      if (window === undefined || shown === null) return (window === undefined) === (shown === null);
      return window.buffer !== null && !window.isStale && window.callbacks.length === 0;
    });
  }
}
