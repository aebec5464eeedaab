// What kind of VMM a display's other end is: what it can, and what it leaves unanswered.

import { readDmabuf } from "../../src/picture/dmabuf.ts";
import type { Rectangle } from "../driver/commands.ts";
import { plainEdid } from "./display-answers.ts";

export interface DisplayPeerOptions {
  /** Protocol features offered: 0 as QEMU 7.2 does, 3 (EDID and DMABUF2) as QEMU 10 does. */
  features?: number;
  /** One mode an enabled output. */
  modes?: readonly Rectangle[];
  /** What GET_EDID is answered with, up to 1024 bytes. */
  edid?: Uint8Array;
  /** Whether GET_DISPLAY_INFO and GET_EDID are answered at all. */
  answersDisplayInfo?: boolean;
  answersEdid?: boolean;
  /** Whether DMABUF_UPDATE is answered at once, and not by `DisplayPeer.answerUpdate`. */
  answersUpdates?: boolean;
  /**
   * Whether flags of a message that has none are a violation. QEMU does not look at them, and its own back-end leaves those of
   * UPDATE as memory had them (contrib/vhost-user-gpu/vhost-user-gpu.c, vg_resource_flush).
   */
  checksFlags?: boolean;
  /** Told of each rectangle of a scanout that was drawn. */
  drawn?: (scanoutId: number, rectangle: Rectangle) => void;
  /** How a dma-buf is read, for `DisplayPeer.framebuffer`. */
  readDmabuf?: typeof readDmabuf;
}

/** A VMM like QEMU 10 with one output of 1280 by 800, where `options` say no more. */
export const withDefaults = (options: DisplayPeerOptions): Required<DisplayPeerOptions> => ({
  features: 3,
  modes: [{ x: 0, y: 0, width: 1280, height: 800 }],
  edid: plainEdid(),
  answersDisplayInfo: true,
  answersEdid: true,
  answersUpdates: true,
  checksFlags: true,
  drawn: () => {},
  readDmabuf,
  ...options,
});
