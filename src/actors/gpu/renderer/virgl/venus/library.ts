// What venus takes of the library, of which only some versions have each part.

import type { Virglrenderer } from "../../../../../ffi/virglrenderer.ts";

export interface VenusLibrary {
  required: Virglrenderer["required"];
  contextFlags: NonNullable<Virglrenderer["contextFlags"]>;
  contextFences: NonNullable<Virglrenderer["contextFences"]>;
  contextPolls: NonNullable<Virglrenderer["contextPolls"]>;
  blobs: NonNullable<Virglrenderer["blobs"]>;
}

/** The library, where it has all that venus needs. */
export function venusLibrary(library: Virglrenderer): VenusLibrary | null {
  const { required, contextFlags, contextFences, contextPolls, blobs } = library;
  if (contextFlags === null || contextFences === null || contextPolls === null || blobs === null) return null;
  return { required, contextFlags, contextFences, contextPolls, blobs };
}
