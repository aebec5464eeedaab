// What a resource looks like, for the inspector: a copy, in which its first level and layer are bytes B, G, R, X.

import { SystemError } from "../../../transport/os/errors.ts";
import { closeFd } from "../../../transport/os/fds.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Model } from "../model/model.ts";
import type { Resource } from "../model/resources.ts";
import { BlobPixels } from "../pixels/blobs/blob-pixels.ts";
import { CopiedPicture } from "../pixels/copied-picture.ts";
import { isPicture } from "../pixels/form.ts";
import type { Showable } from "../pixels/pixels.ts";

/** A look stops the queue for as long as the copy takes. */
const pictureBytesMax = 64 * 2 ** 20;

export class Looks {
  constructor(
    private readonly context: ActorContext,
    private readonly model: Model,
  ) {}

  /** Answers with the resource as it is between two commands; a blob as a scanout read it last. */
  tell(token: number, id: number): void {
    const resource = this.model.resources.get(id);
    const picture = resource === undefined ? undefined : pictureOf(resource);
    const { width = 0, height = 0 } = picture ?? {};
    const { fd, error } =
      resource === undefined ? { fd: -1, error: `there is no resource ${id}` } : look(picture);
    this.context.send("inspector", { type: "picture", token, fd, width, height, error });
  }
}

const pictureOf = (resource: Resource): Showable | undefined =>
  resource.pixels instanceof BlobPixels ? resource.pixels.views.at(-1) : resource;

/** The descriptor of the copy is the receiver's to close; -1 where `error` says why there is none. */
function look(picture: Showable | undefined): { fd: number; error: string } {
  if (picture === undefined) return { fd: -1, error: "no scanout has said how the pixels of this blob lie" };
  if (!isPicture(picture)) return { fd: -1, error: "it is no picture that a display could show" };
  const { width, height, pixels } = picture;
  if (width * height * bytesPerPixel > pictureBytesMax)
    return { fd: -1, error: `${width}×${height} pixels are too many to be copied for a look` };
  try {
    const copy = new CopiedPicture(width, height);
    const errno = pixels.look(copy);
    const fd = copy.detach();
    if (errno === 0) return { fd, error: "" };
    closeFd(fd);
    return { fd: -1, error: `the renderer does not give it: errno ${errno}` };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { fd: -1, error: error.message };
  }
}
