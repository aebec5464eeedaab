// 4 × 4 matrices, column by column as shaders take them, for column vectors: the rightmost factor acts first.

export type Matrix = readonly number[];
export type Vector = readonly [number, number, number];

export const identity: Matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

export function multiply(...factors: readonly Matrix[]): Matrix {
  return factors.reduce((left, right) =>
    Array.from({ length: 16 }, (_, at) => {
      const row = at % 4;
      const column = at - row;
      let sum = 0;
      for (let step = 0; step < 4; step++) sum += left[step * 4 + row]! * right[column + step]!;
      return sum;
    }),
  );
}

export function translation([x, y, z]: Vector): Matrix {
  return [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, x, y, z, 1];
}

export function scaling(factor: number): Matrix {
  return [factor, 0, 0, 0, 0, factor, 0, 0, 0, 0, factor, 0, 0, 0, 0, 1];
}

/** Turns z towards x, in radians. */
export function rotationY(angle: number): Matrix {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  return [cos, 0, -sin, 0, 0, 1, 0, 0, sin, 0, cos, 0, 0, 0, 0, 1];
}

/** Turns y towards z, in radians. */
export function rotationX(angle: number): Matrix {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  return [1, 0, 0, 0, 0, cos, sin, 0, 0, -sin, cos, 0, 0, 0, 0, 1];
}

/** Onto clip coordinates with depths of −1 to 1; `fieldOfView` is the vertical one, in radians. */
export function perspective(fieldOfView: number, aspect: number, near: number, far: number): Matrix {
  const scale = 1 / Math.tan(fieldOfView / 2);
  const range = near - far;
  return [
    scale / aspect,
    0,
    0,
    0,
    0,
    scale,
    0,
    0,
    0,
    0,
    (far + near) / range,
    -1,
    0,
    0,
    (2 * far * near) / range,
    0,
  ];
}

/** Puts the eye at the origin, looking along −z, with y up. */
export function lookAt(eye: Vector, target: Vector): Matrix {
  const back = normalise(subtract(eye, target));
  const right = normalise(cross([0, 1, 0], back));
  const up = cross(back, right);
  const rotation = [
    right[0],
    up[0],
    back[0],
    0,
    right[1],
    up[1],
    back[1],
    0,
    right[2],
    up[2],
    back[2],
    0,
    0,
    0,
    0,
    1,
  ];
  return multiply(rotation, translation([-eye[0], -eye[1], -eye[2]]));
}

/** Casts everything along `light` onto the plane y = `height`. */
export function shadowOn(height: number, light: Vector): Matrix {
  const [x, z] = [light[0] / light[1], light[2] / light[1]];
  return [1, 0, 0, 0, -x, 0, -z, 0, 0, 0, 1, 0, x * height, height, z * height, 1];
}

export function normalise([x, y, z]: Vector): Vector {
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
}

export function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

export function subtract(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}
