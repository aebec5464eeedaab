// Which pictures a command brings to the display: so that each can be waited for.

import type { DeviceState } from "../../src/recording/device-state.ts";
import { type CommandStep, isAccepted, typeOf } from "../../src/recording/steps.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import {
  Command,
  scanoutsMax,
  SetScanout,
  SetScanoutBlob,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";

/** A part of a resource that is shown. */
export interface Seen {
  readonly scanout: number;
  /** In the scanout's coordinates. */
  readonly rect: Rectangle;
  readonly resource: number;
  /** What of the resource the scanout shows. */
  readonly view: Rectangle;
}

/** What a server was last sent whole of a scanout. */
interface Whole {
  readonly resource: number;
  readonly work: number;
}

/** After these a renderer's picture may be another. */
const work: ReadonlySet<number> = new Set([
  Command.SUBMIT_3D,
  Command.TRANSFER_TO_HOST_3D,
  Command.TRANSFER_TO_HOST_2D,
]);

export class ExpectedPictures {
  private worked = 0;
  private readonly wholes: (Whole | null)[] = Array.from({ length: scanoutsMax }, () => null);

  /** What will be drawn for `step`, before `state` has taken it. */
  of(step: CommandStep, state: DeviceState): Seen[] {
    const type = typeOf(step);
    if (work.has(type)) this.worked++;
    if (type === Command.SET_SCANOUT && isAccepted(step)) return this.flip(step.command.body, SetScanout);
    if (type === Command.SET_SCANOUT_BLOB && isAccepted(step))
      return this.flip(step.command.body, SetScanoutBlob);
    return step.frames.flatMap((frame) => shownBy(frame, state)).filter((seen) => this.isNew(seen, state));
  }

  /** All that `scanout` shows of a resource was sent; 0 is none. */
  sent(scanout: number, resource: number): void {
    this.wholes[scanout] = resource === 0 ? null : { resource, work: this.worked };
  }

  private flip(body: Uint8Array, at: typeof SetScanout | typeof SetScanoutBlob): Seen[] {
    const words = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const word = (offset: number): number => words.getUint32(offset, true);
    const { scanoutId, resourceId, x, y, width, height } = at;
    const [scanout, resource] = [word(scanoutId), word(resourceId)];
    this.sent(scanout, resource);
    if (resource === 0) return [];
    const view = { x: word(x), y: word(y), width: word(width), height: word(height) };
    return [{ scanout, resource, view, rect: { ...view, x: 0, y: 0 } }];
  }

  /** A renderer's picture that was sent whole is not sent again for a flush alone. */
  private isNew({ scanout, rect }: Seen, { scanouts, resources }: DeviceState): boolean {
    const view = scanouts[scanout]!;
    const { isRendered, isPromoted } = resources.get(view.resource)!;
    if (!isRendered && !isPromoted) return true;
    const whole = this.wholes[scanout]!;
    if (whole !== null && whole.resource === view.resource && whole.work === this.worked) return false;
    if (rect.width === view.width && rect.height === view.height) {
      this.sent(scanout, view.resource);
    }
    return true;
  }
}

/** Where a frame is seen. */
export function shownBy({ scanouts, ...rect }: Entry<"frame">, state: DeviceState): Seen[] {
  return state.scanouts.flatMap((view, scanout) => {
    if (view === null || (scanouts & (1 << scanout)) === 0 || !state.resources.has(view.resource)) return [];
    const seen = onScreen(rect, view);
    return seen === null ? [] : [{ scanout, rect: seen, resource: view.resource, view }];
  });
}

/** What of a resource's rectangle a scanout shows, in the scanout's coordinates; null where it is nothing. */
function onScreen(rect: Rectangle, view: Rectangle): Rectangle | null {
  const x = Math.max(rect.x, view.x);
  const y = Math.max(rect.y, view.y);
  const width = Math.min(rect.x + rect.width, view.x + view.width) - x;
  const height = Math.min(rect.y + rect.height, view.y + view.height) - y;
  return width > 0 && height > 0 ? { x: x - view.x, y: y - view.y, width, height } : null;
}
