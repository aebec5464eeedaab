// The cursors that the VMM has yet to be told of: the newest position of each, and its image when it has a new one.

import type { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import {
  CursorPosition,
  CursorUpdate,
  DisplayRequest,
} from "../../../../transport/wire/vhost-user-gpu/protocol.ts";
import { scanoutsMax } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import { lowestBit } from "../../scanouts/bits.ts";
import { cursorImageBytes } from "../../../gpu/manifest.ts";
import type { Scanout } from "../../scanouts/scanout.ts";
import type { VmmPace } from "./vmm-pace.ts";

/** The lanes of cursors follow those of pictures: a cursor is as quick beside a picture that changes all the time. */
const laneOf = (scanout: number): number => scanoutsMax + scanout;

export class VmmCursors {
  private loaded = 0;
  private moved = 0;

  constructor(
    private readonly scanouts: readonly Scanout[],
    private readonly pace: VmmPace,
  ) {}

  load({ id }: Scanout): void {
    this.loaded |= 1 << id;
    this.moved |= 1 << id;
  }

  move({ id }: Scanout): void {
    this.moved |= 1 << id;
  }

  /** Starts the next message on an idle `writer`. Returns whether there was one. */
  start(writer: MessageWriter): boolean {
    for (let set = this.moved; set !== 0; set &= set - 1) {
      const id = lowestBit(set);
      if (!this.pace.may(laneOf(id))) continue;
      this.moved &= ~(1 << id);
      this.pace.gave(laneOf(id));
      this.tell(writer, id);
      return true;
    }
    return false;
  }

  private tell(writer: MessageWriter, id: number): void {
    const bit = 1 << id;
    const { isVisible, x, y, hotX, hotY, image } = this.scanouts[id]!.cursor;
    if (isVisible && image !== null && this.loaded & bit) {
      this.loaded &= ~bit;
      writer.start(DisplayRequest.CURSOR_UPDATE, CursorUpdate.bytes, id, x, y, hotX, hotY);
      // An image that changes while it is sent is sent again.
      writer.body(image.address, cursorImageBytes, cursorImageBytes);
    } else {
      const request = isVisible ? DisplayRequest.CURSOR_POS : DisplayRequest.CURSOR_POS_HIDE;
      writer.start(request, CursorPosition.bytes, id, x, y);
    }
  }
}
