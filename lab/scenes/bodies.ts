// The solids of the still life: shapes, colours, and how each moves.

import { type Matrix, multiply, rotationX, rotationY, scaling, translation, type Vector } from "./matrix.ts";
import * as solids from "./solids.ts";

export interface Body {
  mesh: number;
  colour: Vector;
  shine: number;
  size: number;
  /** Of its circle around the middle: radius, height, and where on it the body begins, in turns. */
  orbit: number;
  height: number;
  phase: number;
  /** Radians per frame around its own axes. */
  spin: number;
}

/** What there is to draw, by number. */
export const meshes: readonly solids.Mesh[] = [
  solids.torus(0.3),
  solids.sphere(),
  solids.cube(),
  solids.icosahedron(),
  solids.octahedron(),
  solids.plane(40),
];
const [ring, ball, box, gem, diamond] = [0, 1, 2, 3, 4] as const;
export const floor = 5;

export const bodies: readonly Body[] = [
  {
    mesh: ring,
    colour: [0.93, 0.69, 0.2],
    shine: 0.6,
    size: 1.5,
    orbit: 0,
    height: 1.9,
    phase: 0,
    spin: 0.02,
  },
  {
    mesh: ball,
    colour: [0.86, 0.28, 0.22],
    shine: 0.7,
    size: 0.62,
    orbit: 0,
    height: 1.9,
    phase: 0,
    spin: 0,
  },
  {
    mesh: box,
    colour: [0.2, 0.55, 0.85],
    shine: 0.25,
    size: 0.85,
    orbit: 3.1,
    height: 1.15,
    phase: 0.06,
    spin: 0.017,
  },
  {
    mesh: gem,
    colour: [0.3, 0.72, 0.45],
    shine: 0.35,
    size: 0.8,
    orbit: 3.1,
    height: 1.1,
    phase: 0.31,
    spin: 0.021,
  },
  {
    mesh: diamond,
    colour: [0.66, 0.4, 0.85],
    shine: 0.4,
    size: 0.9,
    orbit: 3.1,
    height: 1.15,
    phase: 0.56,
    spin: 0.025,
  },
  {
    mesh: ball,
    colour: [0.92, 0.9, 0.86],
    shine: 0.3,
    size: 0.7,
    orbit: 3.1,
    height: 0.95,
    phase: 0.81,
    spin: 0,
  },
];

const turnsPerFrame = 1 / 600;

/** Where a body is at `frame`: the matrix of its model. */
export function placeOf({ size, orbit, height, phase, spin }: Body, frame: number): Matrix {
  const turn = (phase + frame * turnsPerFrame) * 2 * Math.PI;
  const bob = orbit === 0 ? 0 : 0.15 * Math.sin(frame / 40 + phase * 7);
  return multiply(
    translation([orbit * Math.cos(turn), height + bob, -orbit * Math.sin(turn)]),
    rotationY(frame * spin * 0.7 + phase * 9),
    rotationX(0.6 + frame * spin),
    scaling(size),
  );
}
