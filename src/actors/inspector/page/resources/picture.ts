// What a resource looks like, asked for again when a command has named it, or a stream has written to it: at most once a
// second, since a look stops the guest's queue for a moment.

import type { ReadonlySignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { useAskedAgain } from "../asked-again.ts";
import type { Place } from "../screen/pixel-story.ts";

export interface ResourceLook {
  /** Null where `error` says why there is none. */
  readonly image: ImageBitmap | null;
  readonly error: string;
}

/** The picture of resource `id` as of `usedNs`, when something was done with it last; null until it is there. */
export function usePicture(id: number, usedNs: number): ReadonlySignal<ResourceLook | null> {
  const used = useRef(0);
  used.current = usedNs;
  const looked = useRef({ id: 0, ns: 0 });
  return useAskedAgain<ResourceLook | null>(id, null, async () => {
    const { current } = used;
    if (looked.current.id === id && looked.current.ns === current) return null;
    looked.current = { id, ns: current };
    return id === 0 ? null : await pictureOf(id);
  });
}

/** Null where no server answers: what was there stays. */
async function pictureOf(id: number): Promise<ResourceLook | null> {
  try {
    const response = await fetch(`/api/picture?res=${id}`);
    if (response.ok) return { image: await createImageBitmap(await response.blob()), error: "" };
    return { image: null, error: ((await response.json()) as { error: string }).error };
  } catch {
    // There is no server, which the shell says.
    return null;
  }
}

/** What a pixel of it is, as "#rrggbb"; "" where there is none. */
export function colourIn({ image }: ResourceLook, { x, y }: Place): string {
  if (image === null || x >= image.width || y >= image.height) return "";
  const pen = new OffscreenCanvas(1, 1).getContext("2d")!;
  pen.drawImage(image, -x, -y);
  const { data } = pen.getImageData(0, 0, 1, 1);
  return `#${Array.from(data.subarray(0, 3), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
