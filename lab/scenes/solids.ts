// Closed triangle meshes around the origin, about one unit in radius; seen from outside, every triangle goes
// counter-clockwise.

import { cross, normalise, subtract, type Vector } from "./matrix.ts";

/** Six floats a vertex, position and normal; three indices a triangle. */
export interface Mesh {
  vertices: number[];
  indices: number[];
}

/** Bytes from one vertex of a mesh to the next, and from its position to its normal. */
export const vertexBytes = 24;
export const normalOffset = 12;

export function sphere(slices = 48, stacks = 24): Mesh {
  return surface(slices, stacks, (u, v) => {
    const [ring, height] = [Math.sin(v * Math.PI), Math.cos(v * Math.PI)];
    const point: Vector = [ring * Math.cos(u * 2 * Math.PI), height, -ring * Math.sin(u * 2 * Math.PI)];
    return { point, normal: point };
  });
}

/** Lies flat; `tube` is the radius of the ring itself. */
export function torus(tube: number, slices = 64, stacks = 32): Mesh {
  return surface(slices, stacks, (u, v) => {
    const [cos, sin] = [Math.cos(u * 2 * Math.PI), -Math.sin(u * 2 * Math.PI)];
    const [out, up] = [Math.sin(v * 2 * Math.PI), Math.cos(v * 2 * Math.PI)];
    const reach = 1 - tube + tube * out;
    return { point: [reach * cos, tube * up, reach * sin], normal: [out * cos, up, out * sin] };
  });
}

export function cube(half = 0.62): Mesh {
  const corner = (bits: number): Vector => [
    bits & 1 ? half : -half,
    bits & 2 ? half : -half,
    bits & 4 ? half : -half,
  ];
  const sides = [
    [1, 3, 7, 5],
    [0, 4, 6, 2],
    [2, 6, 7, 3],
    [0, 1, 5, 4],
    [4, 5, 7, 6],
    [0, 2, 3, 1],
  ];
  return facets(sides.map((side) => side.map(corner)));
}

export function octahedron(): Mesh {
  const faces: Vector[][] = [];
  for (const x of [-1, 1]) {
    for (const y of [-1, 1]) {
      for (const z of [-1, 1]) {
        const face: Vector[] = [
          [x, 0, 0],
          [0, y, 0],
          [0, 0, z],
        ];
        faces.push(x * y * z > 0 ? face : face.toReversed());
      }
    }
  }
  return facets(faces);
}

export function icosahedron(): Mesh {
  const golden = (1 + Math.sqrt(5)) / 2;
  const corners: Vector[] = [];
  for (const a of [-1, 1]) {
    for (const b of [-golden, golden]) corners.push([0, a, b], [a, b, 0], [b, 0, a]);
  }
  const near = (a: Vector, b: Vector) => Math.abs(Math.hypot(...subtract(a, b)) - 2) < 1e-6;
  const faces: Vector[][] = [];
  corners.forEach((a, i) => {
    corners.forEach((b, j) => {
      corners.forEach((c, k) => {
        if (!(i < j && j < k && near(a, b) && near(b, c) && near(c, a))) return;
        const outwards = dot(cross(subtract(b, a), subtract(c, a)), a) > 0;
        faces.push((outwards ? [a, b, c] : [a, c, b]).map(normalise));
      });
    });
  });
  return facets(faces);
}

/** A square in the plane y = 0, seen from above. */
export function plane(half: number): Mesh {
  return facets([
    [
      [-half, 0, -half],
      [-half, 0, half],
      [half, 0, half],
      [half, 0, -half],
    ],
  ]);
}

/** A smooth closed surface over 0 ≤ u, v ≤ 1, of which u goes around counter-clockwise and v from top to bottom. */
function surface(
  slices: number,
  stacks: number,
  at: (u: number, v: number) => { point: Vector; normal: Vector },
): Mesh {
  const vertices: number[] = [];
  const indices: number[] = [];
  for (let stack = 0; stack <= stacks; stack++) {
    for (let slice = 0; slice <= slices; slice++) {
      const { point, normal } = at(slice / slices, stack / stacks);
      vertices.push(...point, ...normal);
      if (stack === stacks || slice === slices) continue;
      const here = stack * (slices + 1) + slice;
      const below = here + slices + 1;
      indices.push(here, below, below + 1, here, below + 1, here + 1);
    }
  }
  return { vertices, indices };
}

/** Flat convex faces with a normal each. */
function facets(faces: readonly (readonly Vector[])[]): Mesh {
  const vertices: number[] = [];
  const indices: number[] = [];
  for (const face of faces) {
    const normal = normalise(cross(subtract(face[1]!, face[0]!), subtract(face[2]!, face[0]!)));
    const first = vertices.length / 6;
    for (const point of face) vertices.push(...point, ...normal);
    for (let at = 2; at < face.length; at++) indices.push(first, first + at - 1, first + at);
  }
  return { vertices, indices };
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
