// What the feed tells of the screen: pixels of scanouts, and the cursors over them.

/** Pixels of a scanout that may have changed: all of them first, and again where a batch was dropped. */
export interface ScreenRecord {
  scanout: number;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Of the whole scanout; 0 where it is off. */
  viewWidth: number;
  viewHeight: number;
  /** `height` rows of `width` pixels, bytes B, G, R, X; none where the scanout is off, or `error` says why. */
  pixels: Uint8Array;
  error: string;
}

/** All cursors that are shown, whenever one of them has changed; told to those who have the screen, too. */
export interface Cursors {
  shown: CursorRecord[];
}

/** The cursor that sinks draw over a scanout: its image begins at `x`, `y`, and points with its pixel `hotX`, `hotY`. */
export interface CursorRecord {
  scanout: number;
  x: number;
  y: number;
  hotX: number;
  hotY: number;
  /** 64 × 64 pixels, bytes B, G, R, A. */
  image: Uint8Array;
}
