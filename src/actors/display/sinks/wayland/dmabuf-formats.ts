// Which dma-bufs the compositor can show: formats and their modifiers (linux-dmabuf, versions 3 and 4).

import { readSync } from "node:fs";
import { type Modifier, modifierName } from "../../../../picture/drm-formats.ts";
import { closeFd } from "../../../../transport/os/fds.ts";
import type { WlBuffer, ZwpLinuxDmabufV1 } from "../../../../transport/wire/wayland/protocol.ts";
import { ZwpLinuxBufferParamsV1Flags } from "../../../../transport/wire/wayland/protocol.ts";
import { WaylandError } from "../../../../transport/wire/wayland/wire.ts";
import type { DmabufSurface } from "../../surfaces/dmabuf-surface.ts";
import { resourceFlagY0Top } from "../../../../transport/wire/virtio-gpu/protocol.ts";

/** The version from which on there is feedback, in place of a list. */
const feedbackVersion = 4;
/** A row of the format table: u32 format, padding, u64 modifier. */
const rowBytes = 16;
/** A table has 65,536 rows at most, as many as an index of 16 bits can name. */
export const formatsMax = 65_536;
const tableBytesMax = formatsMax * rowBytes;

export class DmabufFormats {
  static readonly versionMin = 3;
  private known = new Set<string>();

  /** `changed` hears of other formats. */
  constructor(
    private readonly dmabuf: ZwpLinuxDmabufV1,
    private readonly changed: () => void,
  ) {
    if (dmabuf.version >= feedbackVersion) this.listen();
    else {
      dmabuf.listener = {
        modifier: (format, modifierHigh, modifierLow) =>
          add(this.known, keyOf(format, { modifierHigh, modifierLow })),
      };
    }
  }

  has(fourcc: number, modifier: Modifier): boolean {
    return this.known.has(keyOf(fourcc, modifier));
  }

  get isEmpty(): boolean {
    return this.known.size === 0;
  }

  /** Makes a buffer of a surface in a format that the compositor {@link has}. */
  import(surface: DmabufSurface, fourcc: number): WlBuffer {
    const { fd, width, height, offset, stride, modifierHigh, modifierLow, flags } = surface;
    const params = this.dmabuf.createParams();
    params.add(fd, 0, offset, stride, modifierHigh, modifierLow);
    const upsideDown = flags & resourceFlagY0Top ? ZwpLinuxBufferParamsV1Flags.yInvert : 0;
    const buffer = params.createImmed(width, height, fourcc, upsideDown);
    params.destroy();
    return buffer;
  }

  /** Follows the default feedback, which may change at any time. */
  private listen(): void {
    let rows = new DataView(new ArrayBuffer(0));
    let next = new Set<string>();
    this.dmabuf.getDefaultFeedback().listener = {
      formatTable: (fd, size) => {
        rows = readTable(fd, size);
      },
      trancheFormats: (bytes) => {
        const indices = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        for (let at = 0; at + 2 <= bytes.length; at += 2)
          add(next, keyOfRow(rows, indices.getUint16(at, true)));
      },
      done: () => {
        this.known = next;
        next = new Set();
        this.changed();
      },
    };
  }
}

function add(formats: Set<string>, key: string): void {
  formats.add(key);
  if (formats.size > formatsMax) throw new WaylandError("it has no end of dma-buf formats");
}

/** Reads and closes a format table; it is not mapped, as its owner could truncate it. */
function readTable(fd: number, size: number): DataView<ArrayBuffer> {
  try {
    if (size > tableBytesMax) throw new WaylandError(`a format table has ${size} bytes`);
    const bytes = new Uint8Array(size);
    if (readSync(fd, bytes, 0, size, 0) < size)
      throw new WaylandError("a format table is shorter than it says");
    return new DataView(bytes.buffer);
  } catch (error) {
    if (error instanceof WaylandError) throw error;
    throw new WaylandError(`a format table cannot be read: ${(error as Error).message}`);
  } finally {
    closeFd(fd);
  }
}

function keyOfRow(rows: DataView, index: number): string {
  const at = index * rowBytes;
  if (at + rowBytes > rows.byteLength) throw new WaylandError(`the format table has no row ${index}`);
  const modifier = {
    modifierLow: rows.getUint32(at + 8, true),
    modifierHigh: rows.getUint32(at + 12, true),
  };
  return keyOf(rows.getUint32(at, true), modifier);
}

const keyOf = (fourcc: number, modifier: Modifier): string => `${fourcc} ${modifierName(modifier)}`;
