// A VMM as the peer of a sink.

import type { DisplayPeer } from "../../../lab/vmm/display-peer.ts";
import type { Rect } from "../../../src/picture/damage.ts";
import { DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { Stage } from "../../actors/display/stage.ts";
import { FakeContext, serverConfig } from "../fake-context.ts";
import type { CursorSeen, SinkPeer } from "./peer.ts";

export class VmmPeer implements SinkPeer {
  private vmm: DisplayPeer | null = null;

  readonly stage: Stage;

  constructor(...flags: string[]) {
    this.stage = new Stage(new FakeContext("display", serverConfig(...flags)));
  }

  async come(): Promise<void> {
    this.vmm = this.stage.connect();
    this.settle();
  }

  settle(): void {
    if (this.vmm !== null) this.stage.settle();
    else this.stage.runner.run();
  }

  stall(): void {
    this.vmm!.pause();
  }

  resume(): void {
    this.vmm!.resume();
  }

  picture(id = 0): Uint32Array | null {
    return this.vmm!.framebuffer(id)?.pixels.map((pixel) => pixel & 0xffffff) ?? null;
  }

  damage(): Rect {
    return this.vmm!.updates().at(-1)!;
  }

  frames(): number {
    return this.vmm!.count(DisplayRequest.UPDATE);
  }

  cursor(): CursorSeen | null {
    const { visible, hotX, hotY, pixels } = this.vmm!.cursors[0]!;
    return visible ? { hotX, hotY, pixels } : null;
  }

  die(): void {
    this.vmm!.close();
  }

  isLeft(): boolean {
    this.stage.pump.drain();
    return this.vmm!.closed;
  }

  free(): void {
    this.stage.stop();
  }
}
