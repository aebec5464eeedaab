// A compositor that lies: events of objects that are, were or never will be, with values that make no sense, in any order.

import { rmSync } from "node:fs";
import { join } from "node:path";
import * as commands from "../../driver/commands.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { ScriptedCompositor, type ServerObject } from "../../vmm/scripted-compositor.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { ArgumentType } from "../../../src/transport/wire/wayland/descriptions.ts";
import { encodeMessage, type WireValue } from "../../../src/transport/wire/wayland/wire.ts";
import { type Chance, mutated, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, patienceMs, type Target } from "../target.ts";
import { untilAnswered } from "../waiting.ts";

const size = { width: 96, height: 64 };
const pathIn = (directory: string): string => join(directory, "wayland");
/** Events between two questions of whether the client still reads. */
const together = 32;
/** The last window that is closed ends the device, as it should, and a compositor that ends it is looked for a second later. */
const seldom: Readonly<Record<string, number>> = { close: 0, error: 4000, global_remove: 200, ping: 10 };

export const wayland: Target = {
  name: "wayland",
  about: "an event of a compositor",
  batch: 8_000,
  flags: (directory) => [
    ...["--renderer", "software", "--vulkan", "off", "--frame-rate", "unlimited"],
    `--wayland=${pathIn(directory)}`,
  ],
  begin: ({ server, directory }) => new CompositorAttack(server.socketPath, pathIn(directory)),
};

class CompositorAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly compositor: ScriptedCompositor;
  private readonly memfd = createMemfd("keymap", 4096);
  private inputs = 0;

  constructor(
    socketPath: string,
    private readonly path: string,
  ) {
    this.guest = SyntheticGuest.boot(socketPath, { display: null, patienceMs });
    this.compositor = new ScriptedCompositor(path, this.guest.pump);
    // A client that was lied to may ask for what there is not.
    this.compositor.strayed = () => this.compositor.drop();
    this.guest.gpu.show(0, this.guest.gpu.createImage(1, Format.B8G8R8X8, size.width, size.height));
  }

  input(chance: Chance): void {
    const { compositor, guest } = this;
    if (!compositor.isConnected)
      guest.pump.until(() => compositor.isConnected, "the client that comes again");
    if (oneIn(chance, 6))
      guest.control.submit(commands.flushResource(1, { x: chance(90), y: chance(60), width: 6, height: 4 }));
    if (oneIn(chance, 20)) compositor.drawFrame();
    if (oneIn(chance, 20))
      for (const toplevel of compositor.all("xdg_toplevel")) compositor.configure(toplevel);
    this.event(chance);
    if (++this.inputs % together === 0) this.settle();
  }

  end(): void {
    try {
      untilAnswered(this.guest);
    } finally {
      this.compositor.close();
      rmSync(this.path);
      this.guest.close();
      closeFd(this.memfd);
    }
  }

  private event(chance: Chance): void {
    const alive = this.compositor.objects.filter(({ interface: { events } }) => events.length > 0);
    // Those that are no more have their turn, too.
    const object = pick(chance, alive.slice(-(oneIn(chance, 10) ? alive.length : 24)));
    const { events } = object.interface;
    const opcode = chance(events.length);
    const { name, arguments: types } = events[opcode]!;
    const times = seldom[name];
    if (times !== undefined && (times === 0 || !oneIn(chance, times))) return;
    const values = types.map((type) => this.value(chance, type));
    const { bytes, fds } = encodeMessage(object.id, opcode, types, values);
    this.compositor.sendBytes(oneIn(chance, 1500) ? mutated(chance, bytes) : bytes, fds);
  }

  private value(chance: Chance, { code }: ArgumentType): WireValue {
    switch (code) {
      case "s":
        return pick(chance, ["", "x", "wl_seat", "wl_output", "é".repeat(chance(40))]);
      case "a":
        return Uint8Array.from({ length: 4 * chance(8) }, () => chance(256));
      case "h":
        return this.memfd;
      case "o":
        return odd(chance, pick<ServerObject>(chance, this.compositor.objects).id);
      case "n":
        return 0xff00_0000 + chance(64);
      default:
        return odd(chance, chance(200), 5) | (oneIn(chance, 30) ? word(chance) : 0);
    }
  }

  /** The client has read all that was said, or hung up. */
  private settle(): void {
    const { compositor, guest } = this;
    const base = compositor.all("xdg_wm_base")[0];
    if (base !== undefined && compositor.isConnected) {
      const serial = 0x4000_0000 + this.inputs;
      compositor.send(base, "ping", serial);
      const isRead = (): boolean =>
        base.requests.some(({ name, args }) => name === "pong" && args[0] === serial);
      guest.pump.until(() => !compositor.isConnected || isRead(), "the client's pong", patienceMs);
      base.requests.length = 0;
    }
    guest.control.collect();
  }
}
