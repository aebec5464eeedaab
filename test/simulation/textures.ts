// What a driver does in 3D, with a renderer that refuses now and then.

import { pick } from "../../lab/fuzz/chance.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { HeaderFields } from "../../lab/driver/commands.ts";
import { EINVAL, EIO, ENOMEM } from "../../src/ffi/libc.ts";
import { Target } from "../../src/actors/gpu/renderer/transfer.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Failing } from "../support/scripted-renderer.ts";
import { Mismatch } from "./answers.ts";
import { contextsEnd, type Hand } from "./hand.ts";
import type { Foreseen } from "./history.ts";
import type { Model, Transfer } from "./model.ts";
import { formats, type ModelResource } from "./model-parts.ts";

/** VIRGL_BIND_RENDER_TARGET and VIRGL_BIND_SAMPLER_VIEW. */
const pictureBind = 2 | 8;
const noFormat = 0xffff;

/** Sends a command that the renderer answers with `errno`, if it is asked. */
type Refused = (errno: number) => void;

export class Textures {
  constructor(private readonly hand: Hand) {}

  create(errno = 0): void {
    const { hand } = this;
    const id = hand.newId();
    const [width, height] = hand.sides();
    const format = hand.isWrong() ? noFormat : pick(hand.chance, formats);
    const header = hand.header();
    const shape = { format, width, height };
    const request = commands3d.createResource3d(
      { resourceId: id, target: Target.TEXTURE_2D, bind: pictureBind, ...shape },
      header,
    );
    this.send(
      "RESOURCE_CREATE_3D",
      request,
      (model, error) => model.create("3d", id, shape, error),
      errno,
      header,
    );
  }

  transfer(errno = 0): void {
    const { hand } = this;
    const resource = this.anyRendered();
    const id = resource?.id ?? hand.anyId();
    const contextId = this.contextOf(id);
    const what = this.box(resource);
    const header = { ...hand.header(), contextId };
    const request = commands3d.transferToHost3d(contextId, id, boxed(what), header);
    const effect = (model: Model, error: number): number =>
      model.transfer3d(true, contextId, id, what, error);
    this.send("TRANSFER_TO_HOST_3D", request, effect, errno, header);
  }

  /** Has the guest's pages hold what the renderer has. Throws a {@link Mismatch}. */
  readBack(): void {
    const { hand } = this;
    const resource = this.anyRendered();
    if (resource === undefined) return;
    const { id } = resource;
    const contextId = this.contextOf(id);
    const what = this.box(resource);
    const header = { contextId };
    const request = commands3d.transferFromHost3d(contextId, id, boxed(what), header);
    // What the device writes there is no command's to read before.
    hand.finish();
    const takeovers = hand.history.takeovers;
    const foreseen = hand.send(
      "TRANSFER_FROM_HOST_3D",
      request,
      (model) => model.transfer3d(false, contextId, id, what),
      header,
    );
    hand.finish();
    const isDone = foreseen.types[0] === Response.OK_NODATA && takeovers === hand.history.takeovers;
    if (isDone) this.compare(hand.model.resources.get(id)!, what);
  }

  submit(errno = 0): void {
    const { hand } = this;
    const { chance } = hand;
    const contextId = hand.anyContext();
    const isSound = !hand.isWrong();
    // A stream of nothing, or one whose command is longer than it.
    const words = new Uint32Array(1 + chance(8)).fill(isSound ? 0 : 0xffff_0001);
    const fenced = { ...hand.header(), contextId };
    const hasRing = fenced.fenceId !== undefined && chance(2) === 0;
    const header = hasRing ? { ...fenced, ringIndex: chance(3) } : fenced;
    const request = commands3d.submit3d(contextId, new Uint8Array(words.buffer), header);
    this.send("SUBMIT_3D", request, (model, error) => model.submit(contextId, isSound, error), errno, header);
  }

  createContext(errno = 0): void {
    const { hand } = this;
    const id = hand.isWrong() ? 0 : 1 + hand.chance(contextsEnd - 1);
    const header = { ...hand.header(), contextId: id };
    const name = `program-${hand.chance(2)}`;
    const request = commands3d.createContext(id, name, 0, header);
    this.send("CTX_CREATE", request, (model, error) => model.createContext(id, name, error), errno, header);
  }

  /** One command, of which the renderer has no part. */
  beRefused(): void {
    const { hand } = this;
    if (hand.isClean) return;
    const ways: readonly [Failing, readonly number[], Refused][] = [
      ["createContext", [EINVAL, ENOMEM], (errno) => this.createContext(errno)],
      ["submit", [EINVAL, ENOMEM, EIO], (errno) => this.submit(errno)],
      ["createResource", [EINVAL, ENOMEM], (errno) => this.create(errno)],
      ["transfer", [EINVAL, ENOMEM, EIO], (errno) => this.transfer(errno)],
    ];
    const [what, errnos, run] = pick(hand.chance, ways);
    const errno = pick(hand.chance, errnos);
    // Nothing else is to be refused for it.
    hand.finish();
    hand.renderer().fail(what, errno);
    run(errno);
    hand.finish();
    hand.renderer().fail(what, 0);
  }

  /** A renderer that comes after this one refuses nothing. */
  private send(
    name: string,
    request: DataView,
    effect: (model: Model, errno: number) => number,
    errno: number,
    header: HeaderFields,
  ): void {
    let error = errno;
    let foreseen: Foreseen | null = null;
    foreseen = this.hand.send(
      name,
      request,
      (model) => {
        if (foreseen?.hasRun === false) error = 0;
        return effect(model, error);
      },
      header,
    );
  }

  private anyRendered(): ModelResource | undefined {
    const { hand } = this;
    const all = [...hand.model.resources.values()].filter(({ isRendered }) => isRendered);
    return hand.isWrong() || all.length === 0 ? hand.anyResource() : pick(hand.chance, all);
  }

  /** One that has the resource, or the device's own; any for a mistake. */
  private contextOf(id: number): number {
    const { hand } = this;
    if (hand.isWrong()) return hand.chance(contextsEnd);
    const having = [...hand.model.contexts].filter(([, { attached }]) => attached.has(id));
    return having.length === 0 || hand.chance(2) === 0 ? 0 : pick(hand.chance, having)[0];
  }

  private box(resource: ModelResource | undefined): Transfer {
    const { hand } = this;
    const rect = hand.rectangle(resource);
    const own = (resource?.width ?? 1) * 4;
    const isOdd = hand.isWrong();
    const stride = isOdd ? hand.chance(own + 9) : hand.chance(2) === 0 ? 0 : own;
    return { rect, stride, offset: isOdd ? 4 * hand.chance(2 ** 14) : rect.y * own + rect.x * 4 };
  }

  private compare({ id, width, pixels, backing }: ModelResource, { rect, offset, stride }: Transfer): void {
    const bytes = this.hand.guest.memory.gather(backing!);
    const view = new DataView(bytes.buffer);
    const step = stride === 0 ? width * 4 : stride;
    for (let row = 0; row < rect.height; row++) {
      for (let column = 0; column < rect.width; column++) {
        const is = view.getUint32(offset + row * step + column * 4, true);
        const not = pixels[(rect.y + row) * width + rect.x + column]!;
        if (is !== not)
          throw new Mismatch(
            `resource ${id} was read back as 0x${is.toString(16)}, not 0x${not.toString(16)}`,
          );
      }
    }
  }
}

const boxed = ({ rect, offset, stride }: Transfer): commands3d.Transfer => ({
  box: { ...rect, z: 0, depth: 1 },
  offset,
  stride,
});
