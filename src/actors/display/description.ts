// The display's account of its scanouts, for status and the inspector.

import { cursorImageBytes } from "../gpu/manifest.ts";
import type { Scanout } from "./scanouts/scanout.ts";

/** Scanouts that show something or have had a cursor; plain data. */
export function describeScanouts(scanouts: readonly Scanout[]): Record<string, unknown>[] {
  return scanouts
    .filter(({ view, cursor }) => view !== null || cursor.image !== null)
    .map(({ id, view, cursor }) => ({
      scanout: id,
      shows: view && {
        surface: view.surface.id,
        surfaceState: view.surface.stateName,
        surfaceWidth: view.surface.width,
        surfaceHeight: view.surface.height,
        ...view.surface.describe(),
        x: view.x,
        y: view.y,
        width: view.width,
        height: view.height,
      },
      cursor: {
        visible: cursor.isVisible,
        x: cursor.x,
        y: cursor.y,
        hotX: cursor.hotX,
        hotY: cursor.hotY,
        imageHash: cursor.image && hashOf(cursor.image.view(0, cursorImageBytes)),
      },
    }));
}

const hashOf = (bytes: ArrayBuffer): string => Bun.hash(bytes).toString(16).padStart(16, "0");
