// What a resource's pixels are of: its size, format and kind, as the guest created it.

import { displayFormat } from "../../../picture/formats.ts";
import { bytesPerPixel, isFormat } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { Target } from "../renderer/transfer.ts";

/** The parts of RESOURCE_CREATE_3D that a 2D resource lacks. */
export interface Shape {
  /** A pipe_texture_target of {@link Target}. */
  readonly target: number;
  readonly depth: number;
  readonly arraySize: number;
  readonly lastLevel: number;
  readonly samples: number;
  readonly flags: number;
}

/** One level and one layer of a 2D texture. */
export const flat: Shape = {
  target: Target.TEXTURE_2D,
  depth: 1,
  arraySize: 1,
  lastLevel: 0,
  samples: 0,
  flags: 0,
};

export interface Form {
  readonly id: number;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  readonly format: number;
  readonly shape: Shape;
}

/** Bytes from one row of a 2D resource's backing to the next. */
export const strideOf = ({ width }: Form): number => width * bytesPerPixel;

/** Whether a display can show it: one layer of a 2D texture, in a format with a virtio name. */
export function isPicture({ format, shape }: Form): boolean {
  const { target, samples } = shape;
  return (
    (target === Target.TEXTURE_2D || target === Target.TEXTURE_RECT) &&
    samples <= 1 &&
    isFormat(displayFormat(format))
  );
}
