// What the commands of a recording did to pixels of 2D resources, without any pixel: which wrote, which showed, where. So that it
// can be said of any moment which command made a pixel, however long before that was.

import {
  BlobMem,
  Command,
  CreateBlob,
  CtxResource,
  Header,
  ResourceCreate2d,
  ResourceFlush,
  ResourceUnref,
  SetScanout,
  SetScanoutBlob,
  TransferToHost2d,
} from "../transport/wire/virtio-gpu/protocol.ts";
import { ResourceFlag } from "../transport/wire/record/entries.ts";
import { Rows } from "./columns.ts";
import { type CommandStep, hasEffect, isAccepted, type Step } from "./steps.ts";

/** Of a row: what happened. */
const Kind = { made: 1, gone: 2, written: 3, shown: 4, scanout: 5, rendered: 6, reset: 7 } as const;
const Column = { command: 0, kind: 1, resource: 2, x: 3, y: 4, width: 5, height: 6, scanout: 7 } as const;
const rowsMax = 4_000_000;

/** Which commands made a pixel; null for those of which there were none since the resource was made. */
export interface Makers {
  readonly writer: number | null;
  readonly flush: number | null;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

export class Touches {
  private readonly rows: Rows;
  /** The first command that there was no room for. */
  private end = Infinity;

  constructor(max = rowsMax) {
    this.rows = new Rows(8, max);
  }

  /** Takes a step before which `command` commands were. */
  take(step: Step, command: number): void {
    if (step.kind === "step") {
      if (hasEffect(step)) this.run(step, command);
    } else if (step.kind === "reset" && step.queue === 0) this.add(command, Kind.reset);
    else if (command > 0) {
      // What later keyframes tell has come about before.
    } else if (step.kind === "resource") {
      const isRendered = (step.flags & ResourceFlag.rendered) !== 0;
      this.add(command, isRendered ? Kind.rendered : Kind.made, step.id);
    } else if (step.kind === "blob") this.add(command, Kind.made, step.id);
    else if (step.kind === "scanout" || step.kind === "blobScanout") {
      const { resource, x, y, width, height } = step;
      this.add(command, Kind.scanout, resource, x, y, width, height, step.scanout);
    }
  }

  /** What `scanout` shows once `commands` commands were played; null where it is off. */
  view(scanout: number, commands: number): (Place & { resource: number }) | null {
    const { rows } = this;
    for (let row = rows.below(Column.command, commands) - 1; row >= 0; row--) {
      const kind = rows.at(row, Column.kind);
      if (kind === Kind.reset) return null;
      if (kind !== Kind.scanout || rows.at(row, Column.scanout) !== scanout) continue;
      const resource = rows.at(row, Column.resource);
      const isThere = resource !== 0 && this.isAlive(resource, row, commands);
      return isThere ? { resource, x: rows.at(row, Column.x), y: rows.at(row, Column.y) } : null;
    }
    return null;
  }

  /** Of a pixel once `commands` commands were played; null where a renderer may have made it, or that is not known. */
  makers(resource: number, { x, y }: Place, commands: number): Makers | null {
    if (commands > this.end) return null;
    const { rows } = this;
    let writer: number | null = null;
    let flush: number | null = null;
    for (let row = rows.below(Column.command, commands) - 1; row >= 0; row--) {
      const kind = rows.at(row, Column.kind);
      if (kind === Kind.reset) return null;
      if (rows.at(row, Column.resource) !== resource) continue;
      if (kind === Kind.made) return { writer, flush };
      if (kind === Kind.gone || kind === Kind.rendered) return null;
      if (kind !== Kind.written && kind !== Kind.shown) continue;
      const [left, top] = [rows.at(row, Column.x), rows.at(row, Column.y)];
      if (x < left || y < top) continue;
      if (x >= left + rows.at(row, Column.width) || y >= top + rows.at(row, Column.height)) continue;
      if (kind === Kind.written) writer ??= rows.at(row, Column.command);
      else flush ??= rows.at(row, Column.command);
    }
    return null;
  }

  private isAlive(resource: number, since: number, commands: number): boolean {
    const { rows } = this;
    for (let row = since + 1; row < rows.length && rows.at(row, Column.command) < commands; row++) {
      if (rows.at(row, Column.kind) === Kind.gone && rows.at(row, Column.resource) === resource) return false;
    }
    return true;
  }

  private run(step: CommandStep, command: number): void {
    const { body } = step.command;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const word = (at: number): number => (at + 4 <= view.byteLength ? view.getUint32(at, true) : 0);
    const rect = ({
      x,
      y,
      width,
      height,
    }: typeof ResourceFlush | typeof SetScanout | typeof SetScanoutBlob | typeof TransferToHost2d) =>
      [word(x), word(y), word(width), word(height)] as const;
    switch (word(Header.type)) {
      case Command.RESOURCE_CREATE_2D:
        return this.add(command, Kind.made, word(ResourceCreate2d.resourceId));
      case Command.RESOURCE_UNREF:
        return this.add(command, Kind.gone, word(ResourceUnref.resourceId));
      case Command.TRANSFER_TO_HOST_2D:
        // How far one has got that was refused, nothing tells.
        if (!isAccepted(step)) return this.add(command, Kind.rendered, word(TransferToHost2d.resourceId));
        return this.add(command, Kind.written, word(TransferToHost2d.resourceId), ...rect(TransferToHost2d));
      case Command.RESOURCE_FLUSH:
        return this.add(command, Kind.shown, word(ResourceFlush.resourceId), ...rect(ResourceFlush));
      case Command.SET_SCANOUT: {
        const { resourceId, scanoutId } = SetScanout;
        return this.add(command, Kind.scanout, word(resourceId), ...rect(SetScanout), word(scanoutId));
      }
      case Command.RESOURCE_CREATE_BLOB: {
        const isGuests = word(CreateBlob.blobMem) === BlobMem.GUEST;
        return this.add(command, isGuests ? Kind.made : Kind.rendered, word(CreateBlob.resourceId));
      }
      case Command.SET_SCANOUT_BLOB: {
        const { resourceId, scanoutId } = SetScanoutBlob;
        return this.add(command, Kind.scanout, word(resourceId), ...rect(SetScanoutBlob), word(scanoutId));
      }
      case Command.CTX_ATTACH_RESOURCE:
        return this.add(command, Kind.rendered, word(CtxResource.resourceId));
    }
  }

  private add(
    command: number,
    kind: number,
    resource = 0,
    x = 0,
    y = 0,
    width = 0,
    height = 0,
    scanout = 0,
  ): void {
    if (!this.rows.add(command, kind, resource, x, y, width, height, scanout)) {
      this.end = Math.min(this.end, command);
    }
  }
}
