// What the VMM shows on each scanout, and the messages that change it. Pixels from memory go to a picture of the VMM's
// own, which SCANOUT makes; a dma-buf is lent to it by DMABUF_SCANOUT, and hides that picture until it is taken back.

import type { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import {
  DmabufScanout,
  DmabufScanout2,
  DisplayRequest,
  Scanout,
} from "../../../../transport/wire/vhost-user-gpu/protocol.ts";
import { StreamWord } from "../../../../transport/wire/vhost-user-gpu/stream-words.ts";
import { scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { lowestBit } from "../../scanouts/bits.ts";
import { DmabufSurface } from "../../surfaces/dmabuf-surface.ts";
import type { View } from "../../scanouts/scanout.ts";
import type { VmmPace } from "./vmm-pace.ts";

export interface VmmScanoutsOptions {
  /** Where the stream stands ({@link StreamWord}). */
  words: Int32Array;
  /** What the VMM is to show of a scanout. */
  viewOf: (scanout: number) => View | null;
  /** Whether the VMM has yet to show the dma-buf that it was given last. */
  isUnanswered: (scanout: number) => boolean;
  pace: VmmPace;
  /** Whether the VMM can be told format modifiers. */
  takesModifiers: () => boolean;
}

/** The size of a picture that a predecessor made. */
const unknownSize = -1;

interface Shown {
  /** The size of the VMM's own picture, 0 without one. */
  width: number;
  height: number;
  /** The dma-buf that hides it; a predecessor's is unknown. */
  dmabuf: View | "unknown" | null;
}

export class VmmScanouts {
  private readonly shown: Shown[];
  /** Bit n: the VMM may have to be told what scanout n shows. */
  private changed = 0;
  /** The surface whose descriptor is being sent. */
  private sending: DmabufSurface | null = null;
  /** What the words still say of the scanout that is being turned off. */
  private ending: { word: number; bit: number } | null = null;

  constructor(private readonly options: VmmScanoutsOptions) {
    const isSet = (word: number, id: number): boolean => (options.words[word]! & (1 << id)) !== 0;
    this.shown = Array.from({ length: scanoutsMax }, (_, id) => ({
      width: isSet(StreamWord.shown, id) ? unknownSize : 0,
      height: 0,
      dmabuf: isSet(StreamWord.shownByDmabuf, id) ? ("unknown" as const) : null,
    }));
  }

  /** `scanout` shows something else. */
  change(scanout: number): void {
    this.changed |= 1 << scanout;
  }

  /** Whether the VMM has yet to be told what `scanout` shows. */
  isUntold(scanout: number): boolean {
    return (this.changed & (1 << scanout)) !== 0;
  }

  /** Whether the VMM would show `view`'s pixels where it shows those of the view before it. */
  fits(scanout: number, view: View | null): boolean {
    const { width, height, dmabuf } = this.shown[scanout]!;
    if (dmabuf !== null || view?.surface instanceof DmabufSurface) return false;
    return width === (view?.width ?? 0) && height === (view?.height ?? 0);
  }

  /** Starts the next message on an idle `writer`. Returns whether there was one. */
  start(writer: MessageWriter): boolean {
    for (let set = this.changed; set !== 0; set &= set - 1) {
      const id = lowestBit(set);
      if (!this.options.pace.may(id)) continue;
      const view = this.options.viewOf(id);
      const { dmabuf } = this.shown[id]!;
      if (view?.surface instanceof DmabufSurface) {
        const isSame = dmabuf !== null && dmabuf !== "unknown" && isSameView(dmabuf, view);
        // The newest of all flips goes out when the VMM has shown the one before them: it need not see the others.
        if (!isSame && this.options.isUnanswered(id)) continue;
        this.changed &= ~(1 << id);
        if (isSame) continue;
        this.lend(writer, id, view, view.surface);
        return true;
      }
      if (dmabuf !== null) {
        this.takeBack(writer, id);
        return true;
      }
      this.changed &= ~(1 << id);
      // The VMM clears a picture that is set, so a page flip sets nothing.
      if (this.fits(id, view)) continue;
      this.setPicture(writer, id, view?.width ?? 0, view?.height ?? 0);
      return true;
    }
    return false;
  }

  /** The message is sent. */
  sent(): void {
    const { sending, ending } = this;
    this.sending = this.ending = null;
    sending?.readDone();
    if (ending !== null) this.options.words[ending.word]! &= ~ending.bit;
  }

  close(): void {
    this.sending?.readDone();
    this.sending = null;
  }

  private setPicture(writer: MessageWriter, id: number, width: number, height: number): void {
    const shown = this.shown[id]!;
    shown.width = width;
    shown.height = height;
    this.note(StreamWord.shown, id, width > 0);
    // The slot of any other is that of the pixels which follow.
    if (width === 0) this.options.pace.gave(id);
    writer.start(DisplayRequest.SCANOUT, Scanout.bytes, id, width, height);
  }

  private lend(writer: MessageWriter, id: number, view: View, surface: DmabufSurface): void {
    const { x, y, width, height } = view;
    const fields = [id, x, y, width, height, surface.width, surface.height];
    fields.push(surface.stride, surface.flags, surface.fourcc);
    this.shown[id]!.dmabuf = view;
    this.note(StreamWord.shownByDmabuf, id, true);
    if (this.options.takesModifiers() && !surface.isImplicit) {
      fields.push(surface.modifierLow, surface.modifierHigh);
      writer.start(DisplayRequest.DMABUF_SCANOUT2, DmabufScanout2.bytes, ...fields);
    } else {
      writer.start(DisplayRequest.DMABUF_SCANOUT, DmabufScanout.bytes, ...fields);
    }
    writer.carry(surface.fd);
    surface.read();
    this.sending = surface;
  }

  private takeBack(writer: MessageWriter, id: number): void {
    const shown = this.shown[id]!;
    shown.dmabuf = null;
    // A VMM falls back to the picture of before; it must be made anew, or turned off.
    if (shown.width !== 0) shown.width = unknownSize;
    this.note(StreamWord.shownByDmabuf, id, false);
    writer.start(DisplayRequest.DMABUF_SCANOUT, DmabufScanout.bytes, id, ...noDmabuf);
  }

  /** Tells a successor what the VMM may be showing: at once of what appears, and of what goes when it is sent. */
  private note(word: number, id: number, isShown: boolean): void {
    const bit = 1 << id;
    if (isShown) this.options.words[word]! |= bit;
    else this.ending = { word, bit };
  }
}

/** The fields of a DMABUF_SCANOUT that follow its scanout, of one that ends it. */
const noDmabuf = Array.from({ length: DmabufScanout.bytes / 4 - 1 }, () => 0);

const isSameView = (one: View, other: View): boolean =>
  one.surface === other.surface &&
  one.x === other.x &&
  one.y === other.y &&
  one.width === other.width &&
  one.height === other.height;
