// What a resource looks like, for the inspector: a copy, in which its first level and layer are bytes B, G, R, X.

import { SystemError } from "../../../transport/os/errors.ts";
import { closeFd } from "../../../transport/os/fds.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Model } from "../model/model.ts";
import { CopiedPicture } from "../pixels/copied-picture.ts";
import { isPicture } from "../pixels/form.ts";

/** A look stops the queue for as long as the copy takes. */
const pictureBytesMax = 64 * 2 ** 20;

export class Looks {
  constructor(
    private readonly context: ActorContext,
    private readonly model: Model,
  ) {}

  /** Answers with the resource as it is between two commands. */
  tell(token: number, id: number): void {
    const { width = 0, height = 0 } = this.model.resources.get(id) ?? {};
    const { fd, error } = this.look(id);
    this.context.send("inspector", { type: "picture", token, fd, width, height, error });
  }

  /** The descriptor of the copy is the receiver's to close; -1 where `error` says why there is none. */
  private look(id: number): { fd: number; error: string } {
    const resource = this.model.resources.get(id);
    if (resource === undefined) return { fd: -1, error: `there is no resource ${id}` };
    if (!isPicture(resource)) return { fd: -1, error: "it is no picture that a display could show" };
    const { width, height } = resource;
    if (width * height * bytesPerPixel > pictureBytesMax)
      return { fd: -1, error: `${width}×${height} pixels are too many to be copied for a look` };
    try {
      const picture = new CopiedPicture(width, height);
      const errno = resource.pixels.look(picture);
      const fd = picture.detach();
      if (errno === 0) return { fd, error: "" };
      closeFd(fd);
      return { fd: -1, error: `the renderer does not give it: errno ${errno}` };
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return { fd: -1, error: error.message };
    }
  }
}
