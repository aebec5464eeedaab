// The solids are closed and face outwards, the matrices do what they say, and the scene's streams are well formed.

import { describe, expect, test } from "bun:test";
import { bodies, meshes, placeOf } from "../../lab/scenes/bodies.ts";
import {
  cross,
  identity,
  lookAt,
  type Matrix,
  multiply,
  normalise,
  perspective,
  rotationX,
  rotationY,
  scaling,
  shadowOn,
  subtract,
  translation,
  type Vector,
} from "../../lab/scenes/matrix.ts";
import * as solids from "../../lab/scenes/solids.ts";
import { StillLife } from "../../lab/scenes/still-life.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";

const dot = (a: Vector, b: Vector) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** The point that `matrix` makes of `point`, after division by w. */
function apply(matrix: Matrix, [x, y, z]: Vector): Vector {
  const [px, py, pz, w] = [0, 1, 2, 3].map(
    (row) => matrix[row]! * x + matrix[4 + row]! * y + matrix[8 + row]! * z + matrix[12 + row]!,
  ) as [number, number, number, number];
  return [px / w, py / w, pz / w];
}

function expectPoint(actual: Vector, expected: Vector): void {
  actual.forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 9));
}

describe("solids", () => {
  const shapes: [string, solids.Mesh][] = [
    ["sphere", solids.sphere()],
    ["torus", solids.torus(0.3)],
    ["cube", solids.cube()],
    ["octahedron", solids.octahedron()],
    ["icosahedron", solids.icosahedron()],
  ];
  const corner = ({ vertices }: solids.Mesh, index: number, offset: number): Vector => [
    vertices[index * 6 + offset]!,
    vertices[index * 6 + offset + 1]!,
    vertices[index * 6 + offset + 2]!,
  ];
  const triangles = (mesh: solids.Mesh): [number, number, number][] =>
    Array.from({ length: mesh.indices.length / 3 }, (_, at) => [
      mesh.indices[at * 3]!,
      mesh.indices[at * 3 + 1]!,
      mesh.indices[at * 3 + 2]!,
    ]);

  for (const [name, mesh] of [...shapes, ["plane", solids.plane(2)] as const]) {
    test(`${name}: triangles face where their normals point`, () => {
      for (const [a, b, c] of triangles(mesh)) {
        const [from, to, third] = [corner(mesh, a, 0), corner(mesh, b, 0), corner(mesh, c, 0)];
        const facing = cross(subtract(to, from), subtract(third, from));
        if (Math.hypot(...facing) < 1e-9) continue; // at the poles
        for (const index of [a, b, c]) {
          expect(Math.hypot(...corner(mesh, index, 3))).toBeCloseTo(1, 9);
          expect(dot(facing, corner(mesh, index, 3))).toBeGreaterThan(0);
        }
      }
    });
  }

  for (const [name, mesh] of shapes) {
    test(`${name}: every edge belongs to two triangles, once in each direction`, () => {
      const place = (index: number) =>
        corner(mesh, index, 0)
          .map((value) => Math.round(value * 1e6) + 0)
          .join();
      const edges = new Map<string, number>();
      for (const triangle of triangles(mesh)) {
        const places = triangle.map(place);
        if (new Set(places).size < 3) continue; // at the poles
        places.forEach((from, at) => {
          const to = places[(at + 1) % 3]!;
          edges.set(`${from} ${to}`, (edges.get(`${from} ${to}`) ?? 0) + 1);
        });
      }
      for (const [edge, count] of edges) {
        expect(count).toBe(1);
        const [from, to] = edge.split(" ");
        expect(edges.get(`${to} ${from}`)).toBe(1);
      }
    });
  }
});

describe("matrices", () => {
  test("the rightmost factor acts first", () => {
    expectPoint(apply(multiply(translation([1, 2, 3]), scaling(2)), [1, 1, 1]), [3, 4, 5]);
    expectPoint(apply(identity, [7, 8, 9]), [7, 8, 9]);
  });

  test("rotations turn the way they say", () => {
    expectPoint(apply(rotationY(Math.PI / 2), [0, 0, 1]), [1, 0, 0]);
    expectPoint(apply(rotationX(Math.PI / 2), [0, 1, 0]), [0, 0, 1]);
  });

  test("the eye looks along −z, and what is above stays above", () => {
    const view = lookAt([0, 0, 5], [0, 0, 0]);
    expectPoint(apply(view, [0, 0, 0]), [0, 0, -5]);
    expectPoint(apply(view, [1, 2, 0]), [1, 2, -5]);
  });

  test("perspective maps near and far to depths −1 and 1, and the edge of the view to 1", () => {
    const projection = perspective(Math.PI / 2, 2, 1, 10);
    expectPoint(apply(projection, [0, 0, -1]), [0, 0, -1]);
    expectPoint(apply(projection, [0, 0, -10]), [0, 0, 1]);
    const edge = apply(projection, [4, 2, -2]);
    expect([edge[0], edge[1]]).toEqual([expect.closeTo(1, 9), expect.closeTo(1, 9)]);
  });

  test("shadows fall along the light onto their plane", () => {
    const light = normalise([1, 2, 0]);
    expectPoint(apply(shadowOn(0, light), [3, 4, 5]), [1, 0, 5]);
    expectPoint(apply(shadowOn(2, light), [3, 4, 5]), [2, 2, 5]);
  });
});

describe("StillLife", () => {
  const ids = { vertices: 1, indices: 2, colour: 3, depth: 4 };
  const reachOf = ({ vertices }: solids.Mesh) =>
    Math.max(
      ...Array.from({ length: vertices.length / 6 }, (_, at) =>
        Math.hypot(...vertices.slice(at * 6, at * 6 + 3)),
      ),
    );
  const target = { resourceId: 5, format: virgl.VirglFormat.B8G8R8X8_UNORM };
  const drawn = (scene: StillLife, frame: number): Uint8Array => {
    const stream = new virgl.CommandStream();
    scene.draw(stream, frame, target);
    return stream.bytes.slice();
  };

  test("a frame is the same whichever was drawn before", () => {
    const played = new StillLife(ids, 320, 200);
    for (const frame of [0, 1, 50, 3000, 77]) {
      expect(drawn(played, frame)).toEqual(drawn(new StillLife(ids, 320, 200), frame));
    }
    expect(drawn(played, 1)).not.toEqual(drawn(played, 2));
  });

  test("its streams are whole commands", () => {
    const scene = new StillLife(ids, 320, 200);
    const stream = new virgl.CommandStream();
    scene.prepare(stream);
    scene.draw(stream, 9, target);
    const words = new Uint32Array(stream.bytes.buffer, 0, stream.length);
    const commands: number[] = [];
    let at = 0;
    for (; at < words.length; at += 1 + (words[at]! >>> 16)) commands.push(words[at]! & 0xff);
    expect(at).toBe(words.length);
    expect(commands.filter((command) => command === virgl.Ccmd.DRAW_VBO).length).toBe(2 * bodies.length + 1);
    expect(commands.at(-1)).toBe(virgl.Ccmd.BLIT);
  });

  test("indices fit their type and name vertices of their mesh", () => {
    for (const { vertices, indices } of meshes) {
      expect(Math.max(...indices)).toBe(vertices.length / 6 - 1);
      expect(vertices.length / 6).toBeLessThan(0x1_0000);
    }
  });

  test("bodies stay above the floor and keep out of each other's way", () => {
    for (let frame = 0; frame < 2000; frame += 13) {
      const spheres = bodies.map((body) => ({
        at: apply(placeOf(body, frame), [0, 0, 0]),
        radius: body.size * reachOf(meshes[body.mesh]!),
      }));
      spheres.forEach(({ at, radius }) => expect(at[1]).toBeGreaterThan(radius));
      const moving = spheres.slice(1);
      moving.forEach((one, index) => {
        for (const other of moving.slice(index + 1)) {
          expect(Math.hypot(...subtract(one.at, other.at))).toBeGreaterThan(one.radius + other.radius);
        }
      });
    }
  });
});
