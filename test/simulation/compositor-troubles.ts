// What a compositor does to its client that a client has to live with, and what it should not do.

import { type Chance, oneIn, pick, word } from "../../lab/fuzz/chance.ts";
import type { SimulatedCompositor } from "./compositor.ts";

/** Does one of these. */
export function troubleClient(compositor: SimulatedCompositor, chance: Chance): void {
  compositor.follow();
  const { server, scheduler } = compositor;
  const ways = [
    () => server.drop(),
    () => lie(compositor, chance),
    () => scheduler.hold(compositor.name, chance(300)),
    () => compositor.seat(chance(2)),
    () => compositor.enter(compositor.anyWindow(chance)),
    () => compositor.leave(),
    () => pieces(compositor, chance),
    () => compositor.rescale(compositor.anyWindow(chance), chance),
    () => compositor.move(compositor.anyWindow(chance)),
    () => storm(compositor, chance),
    () => server.all("wl_buffer").length > 0 && server.send(pick(chance, server.all("wl_buffer")), "release"),
  ];
  ways[chance(ways.length)]!();
}

/** Sizes that make no sense, of which not every one is for now, and questions. */
function storm(compositor: SimulatedCompositor, chance: Chance): void {
  const { server } = compositor;
  for (let left = chance(30); left > 0; left--) {
    const window = compositor.anyWindow(chance);
    if (window === undefined || oneIn(chance, 4)) {
      for (const base of server.all("xdg_wm_base")) server.send(base, "ping", word(chance));
    } else if (oneIn(chance, 3)) server.send(window.xdgSurface!, "configure", compositor.nextSerial());
    else server.send(window.toplevel!, "configure", word(chance), word(chance), new Uint8Array(chance(9)));
  }
}

/** A question, of which the end comes later. */
function pieces({ server, scheduler, name }: SimulatedCompositor, chance: Chance): void {
  const [base] = server.all("xdg_wm_base");
  if (base === undefined) return;
  const bytes = new Uint8Array(Uint32Array.of(base.id, 12 << 16, word(chance)).buffer);
  const cut = 1 + chance(bytes.length - 1);
  const { connections } = server;
  server.sendBytes(bytes.subarray(0, cut));
  scheduler.hold(name, 50);
  for (let turn = chance(20); turn > 0; turn--) scheduler.turn();
  if (server.connections === connections) server.sendBytes(bytes.subarray(cut));
}

/** What ends a connection, at the latest when this hangs up. */
function lie({ server, scheduler }: SimulatedCompositor, chance: Chance): void {
  if (!server.isConnected) return;
  const { id } = pick(chance, server.objects);
  const lies = [
    // Of nobody; no event; no size; of which there is no end; an object that is there, or never was, in error.
    () => Uint32Array.of(0x4000_0000, 8 << 16),
    () => Uint32Array.of(id, (8 << 16) + 99),
    () => Uint32Array.of(id, chance(8) << 16),
    () => Uint32Array.of(id, 0xffff_0000, word(chance)),
    () => Uint32Array.of(1, 20 << 16, id, word(chance), 0),
    () => Uint32Array.of(1, 28 << 16, word(chance), 0, 5, 0x6c_6c_6c_6c, 0),
  ];
  server.sendBytes(new Uint8Array(pick(chance, lies)().buffer));
  for (let turn = chance(20); turn > 0; turn--) scheduler.turn();
  server.drop();
}
