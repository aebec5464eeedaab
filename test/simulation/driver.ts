// A guest's driver that does what chance says, sense and nonsense, and tells the model of each command before it is sent.

import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Chance } from "../../lab/fuzz/chance.ts";
import { Blobs } from "./blobs.ts";
import { contextsEnd, Hand, hugeSide, idsEnd, nowhere } from "./hand.ts";
import type { Effect } from "./history.ts";
import { cursorPixels, scanoutCount } from "./model.ts";
import { formats } from "./model-parts.ts";
import { Textures } from "./textures.ts";

export class Driver extends Hand {
  private readonly textures = new Textures(this);
  private readonly blobs = new Blobs(this);

  /** Does one thing. */
  act(chance: Chance): void {
    this.chance = chance;
    const actions = [
      () => this.create(),
      () => this.create(),
      () => this.attachBacking(),
      () => this.attachBacking(),
      () => this.scribble(),
      () => this.draw(),
      () => this.draw(),
      () => this.draw(),
      () => this.draw(),
      () => this.draw(),
      () => this.draw(),
      () => this.transfer(),
      () => this.transfer(),
      () => this.transfer(),
      () => this.setScanout(),
      () => this.setScanout(),
      () => this.flush(),
      () => this.flush(),
      () => this.unref(),
      () => this.detachBacking(),
      () => this.context(),
      () => this.context(),
      () => this.attachment(),
      () => this.textures.submit(),
      () => this.textures.create(),
      () => this.textures.transfer(),
      () => this.textures.transfer(),
      () => this.textures.readBack(),
      () => this.textures.beRefused(),
      () => this.blobs.create(),
      () => this.blobs.createOnHost(),
      () => this.blobs.show(),
      () => this.blobs.show(),
      () => this.question(),
      () => this.nonsense(),
      () => this.updateCursor(),
      () => this.moveCursor(),
      () => this.moveCursor(),
    ];
    actions[chance(actions.length)]!();
    this.look();
  }

  /** Asks of all that there may be whether it is there, and how, by commands that change nothing. */
  probe(): void {
    const nothing = { x: 0, y: 0, width: 0, height: 0 };
    for (let id = 0; id < idsEnd; id++) {
      const request = commands.transferToHost2d(id, nothing, 0);
      this.send("TRANSFER_TO_HOST_2D", request, (model) => model.transfer(id, nothing, 0), {});
    }
    for (let id = 0; id < contextsEnd; id++) {
      const request = commands3d.submit3d(id, new Uint8Array(0));
      this.send("SUBMIT_3D", request, (model) => model.submit(id, true), { contextId: id });
    }
    this.finish();
  }

  /** Has all that is shown brought to the display. */
  flushAll(): void {
    for (const { id, kind, width, height } of this.model.resources.values()) {
      // A blob has no sides but those of its scanouts.
      const size =
        kind === "blob" || kind === "host" ? { width: hugeSide, height: hugeSide } : { width, height };
      const rect = { x: 0, y: 0, ...size };
      this.send("RESOURCE_FLUSH", commands.flushResource(id, rect), (model) => model.flush(id, rect), {});
    }
    this.finish();
  }

  /** Changes some of what there is, and has no more than that brought to the display. */
  retouch(): void {
    for (const resource of this.model.resources.values()) {
      const { id, kind, backing, width } = resource;
      if (kind !== "2d" || backing === null) continue;
      this.scribble(resource);
      const rect = this.rectangle(resource);
      const offset = (rect.y * width + rect.x) * 4;
      const transfer = commands.transferToHost2d(id, rect, offset);
      this.send("TRANSFER_TO_HOST_2D", transfer, (model) => model.transfer(id, rect, offset), {});
      this.send("RESOURCE_FLUSH", commands.flushResource(id, rect), (model) => model.flush(id, rect), {});
    }
    this.finish();
  }

  private create(): void {
    const { chance } = this;
    const id = this.newId();
    const isCursor = chance(4) === 0;
    const [width, height] = isCursor ? [cursorPixels, cursorPixels] : this.sides();
    const format = isCursor
      ? Format.B8G8R8A8
      : this.isWrong()
        ? chance(200)
        : formats[chance(formats.length)]!;
    const header = this.header();
    const request = commands.createResource2d(id, format, width, height, header);
    const effect: Effect = (model) => model.create("2d", id, { format, width, height });
    this.send("RESOURCE_CREATE_2D", request, effect, header);
  }

  private attachBacking(resource = this.anyResource()): void {
    const { chance } = this;
    const bytes = resource === undefined ? 64 : resource.size + resource.width * resource.height * 4;
    const id = resource?.id ?? this.anyId();
    const length = this.isWrong() ? chance(bytes) : bytes;
    const ranges = this.pagesOf(id, length);
    const wrong = this.isWrong() ? chance(2) : -1;
    const sent = wrong === 0 ? [...ranges, nowhere] : ranges;
    const header = this.header();
    const count = sent.length + (wrong === 1 ? 1 : 0);
    const request = commands.attachBacking(id, sent, header, count);
    const effect: Effect = (model) => model.attachBacking(id, ranges, wrong < 0);
    this.send("RESOURCE_ATTACH_BACKING", request, effect, header);
  }

  /** The guest draws, has it brought to the device, and shown. */
  private draw(): void {
    const resource = this.anyResource();
    if (resource === undefined) return this.create();
    if (resource.backing === null) this.attachBacking(resource);
    this.scribble(resource);
    this.transfer(resource);
    if (this.chance(2) === 0) this.setScanout(resource);
    this.flush(resource);
  }

  private transfer(resource = this.anyResource()): void {
    const rect = this.rectangle(resource);
    const id = resource?.id ?? this.anyId();
    const stride = (resource?.width ?? 1) * 4;
    let offset = rect.y * stride + rect.x * 4;
    if (this.isWrong()) offset = 4 * this.chance(2 ** 20);
    const header = this.header();
    const request = commands.transferToHost2d(id, rect, offset, header);
    this.send("TRANSFER_TO_HOST_2D", request, (model) => model.transfer(id, rect, offset), header);
  }

  private setScanout(resource = this.anyResource()): void {
    const { chance } = this;
    const scanout = this.isWrong() ? chance(2 * scanoutCount) : chance(2);
    const id = chance(6) === 0 ? 0 : (resource?.id ?? this.anyId());
    const rect = this.rectangle(resource);
    const header = this.header();
    const request = commands.setScanout(scanout, id, rect, header);
    this.send("SET_SCANOUT", request, (model) => model.setScanout(scanout, id, rect), header);
  }

  private flush(resource = this.anyResource()): void {
    const rect = this.rectangle(resource);
    const id = resource?.id ?? this.anyId();
    const header = this.header();
    const request = commands.flushResource(id, rect, header);
    this.send("RESOURCE_FLUSH", request, (model) => model.flush(id, rect), header);
  }

  private unref(): void {
    const id = this.anyId();
    const header = this.header();
    this.send("RESOURCE_UNREF", commands.unrefResource(id, header), (model) => model.unref(id), header);
  }

  private detachBacking(): void {
    const id = this.anyResource()?.id ?? this.anyId();
    const header = this.header();
    const request = commands.detachBacking(id, header);
    this.send("RESOURCE_DETACH_BACKING", request, (model) => model.detachBacking(id), header);
  }

  private context(): void {
    if (this.chance(3) > 0) return this.textures.createContext();
    const id = this.chance(contextsEnd);
    const header = { ...this.header(), contextId: id };
    const request = commands3d.destroyContext(id, header);
    this.send("CTX_DESTROY", request, (model) => model.destroyContext(id), header);
  }

  private attachment(): void {
    const contextId = this.anyContext();
    const id = this.anyResource()?.id ?? this.anyId();
    const header = { ...this.header(), contextId };
    const isAttach = this.chance(3) > 0;
    if (isAttach) {
      const request = commands3d.attachResource(contextId, id, header);
      this.send("CTX_ATTACH_RESOURCE", request, (model) => model.attach(contextId, id), header);
    } else {
      const request = commands3d.detachResource(contextId, id, header);
      this.send("CTX_DETACH_RESOURCE", request, (model) => model.detach(contextId, id), header);
    }
  }

  private question(): void {
    const { chance } = this;
    const header = this.header();
    if (chance(2) === 0) {
      const { OK_DISPLAY_INFO } = Response;
      const request = commands.getDisplayInfo(header);
      this.send("GET_DISPLAY_INFO", request, () => OK_DISPLAY_INFO, header, "question");
      return;
    }
    const scanout = chance(this.isClean ? scanoutCount : 2 * scanoutCount);
    const type = scanout < scanoutCount ? Response.OK_EDID : Response.ERR_INVALID_SCANOUT_ID;
    this.send("GET_EDID", commands.getEdid(scanout, header), () => type, header, "question");
  }

  /** A command that there is not, or one that is too short. */
  private nonsense(): void {
    if (this.isClean) return;
    const { chance } = this;
    const type = chance(2) === 0 ? 0x0300 + chance(100) : 0x0101 + chance(6);
    const header = this.header();
    const request = commands.request(type, 24 + chance(4), header);
    this.send("a short command", request, () => Response.ERR_UNSPEC, header);
  }

  private updateCursor(): void {
    const { chance } = this;
    const resource = this.anyResource();
    const id = chance(5) === 0 ? 0 : (resource?.id ?? this.anyId());
    const place = this.place();
    const [hotX, hotY] = [chance(cursorPixels), chance(cursorPixels)];
    // Which of the ctrl queue's commands come before it is the device's choice, unless there are none.
    if (id !== 0) this.finish();
    const request = commands.updateCursor(place, id, hotX, hotY);
    const command = { ...place, scanout: place.scanoutId, resource: id, hotX, hotY };
    this.send("UPDATE_CURSOR", request, (model) => model.updateCursor(command), {}, "cursor");
    if (id !== 0) this.finish();
  }

  private moveCursor(): void {
    const place = this.place();
    const resource = this.chance(5) === 0 ? 0 : 1;
    const request = commands.moveCursor(place, resource);
    const command = { ...place, scanout: place.scanoutId, resource, hotX: 0, hotY: 0 };
    this.send("MOVE_CURSOR", request, (model) => model.moveCursor(command), {}, "cursor");
  }

  private place(): commands.CursorPlace {
    const { chance } = this;
    const scanoutId = this.isWrong() ? chance(2 * scanoutCount) : chance(2);
    return { scanoutId, x: chance(200), y: chance(200) };
  }
}
