// What each kind of resource allows, and the virtio error that everything else earns.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { type ResourceEvent, resourceMachine } from "../../../src/actors/machines/resource.ts";
import { after } from "./walk.ts";

const resource = compile(resourceMachine);

type Command = ResourceEvent["type"];
const creates = [
  "CREATE_2D",
  "CREATE_3D",
  "CREATE_BLOB_GUEST",
  "CREATE_BLOB_HOST",
  "CREATE_BLOB_SHARED",
] as const satisfies Command[];
const backed2d = ["CREATE_2D", "ATTACH_BACKING"] as const;
const backed3d = ["CREATE_3D", "ATTACH_BACKING"] as const;

test("resource unknown id returns ERR_INVALID_RESOURCE_ID", () => {
  const commands = resource.events.filter((event) => !creates.some((create) => create === event));

  const answers = commands.map((command) => after(resource, command));

  expect(answers).toEqual(commands.map((command) => `${command}: ERR_INVALID_RESOURCE_ID`));
});

test("resource duplicate id returns ERR_INVALID_RESOURCE_ID", () => {
  for (const first of creates) {
    for (const second of creates) {
      expect(after(resource, first, second)).toBe(`${second}: ERR_INVALID_RESOURCE_ID`);
    }
  }
});

test("resource id is free again after unref", () => {
  for (const create of creates) {
    expect(after(resource, create, "UNREF")).toBe("absent");
    expect(after(resource, create, "UNREF", "UNREF")).toBe("UNREF: ERR_INVALID_RESOURCE_ID");
  }
});

test("resource unref with backing is allowed", () => {
  expect(after(resource, ...backed2d, "UNREF")).toBe("absent");
});

test("resource second ATTACH_BACKING returns ERR_UNSPEC", () => {
  expect(after(resource, ...backed2d, "ATTACH_BACKING")).toBe("ATTACH_BACKING: ERR_UNSPEC");
  expect(after(resource, ...backed3d, "ATTACH_BACKING")).toBe("ATTACH_BACKING: ERR_UNSPEC");
  expect(after(resource, "CREATE_BLOB_GUEST", "ATTACH_BACKING")).toBe("ATTACH_BACKING: ERR_UNSPEC");
});

test("resource backing can be replaced by detach and attach", () => {
  expect(after(resource, ...backed2d, "DETACH_BACKING", "ATTACH_BACKING")).toBe("cpu2d.backed");
});

test("resource detach without backing returns ERR_UNSPEC", () => {
  expect(after(resource, "CREATE_2D", "DETACH_BACKING")).toBe("DETACH_BACKING: ERR_UNSPEC");
  expect(after(resource, "CREATE_3D", "DETACH_BACKING")).toBe("DETACH_BACKING: ERR_UNSPEC");
});

test("resource transfer without backing returns ERR_UNSPEC", () => {
  expect(after(resource, "CREATE_2D", "TRANSFER_TO_HOST_2D")).toBe("TRANSFER_TO_HOST_2D: ERR_UNSPEC");
  for (const transfer of ["TRANSFER_TO_HOST_2D", "TRANSFER_TO_HOST_3D", "TRANSFER_FROM_HOST_3D"] as const) {
    expect(after(resource, "CREATE_3D", transfer)).toBe(`${transfer}: ERR_UNSPEC`);
  }
});

test("resource 3d transfer of cpu storage returns ERR_INVALID_PARAMETER", () => {
  for (const transfer of ["TRANSFER_TO_HOST_3D", "TRANSFER_FROM_HOST_3D"] as const) {
    expect(after(resource, ...backed2d, transfer)).toBe(`${transfer}: ERR_INVALID_PARAMETER`);
    expect(after(resource, "CREATE_2D", transfer)).toBe(`${transfer}: ERR_INVALID_PARAMETER`);
  }
});

test("resource without backing can be shown", () => {
  for (const create of ["CREATE_2D", "CREATE_3D"] as const) {
    const shown = after(resource, create, "SET_SCANOUT", "RESOURCE_FLUSH", "UPDATE_CURSOR", "EXPORT");
    expect(shown).toBe(after(resource, create));
  }
});

test("resource 2d moves into the renderer once when a context attaches it", () => {
  expect(after(resource, "CREATE_2D", "CTX_ATTACH")).toBe("gpu2d.bare");
  expect(after(resource, ...backed2d, "CTX_ATTACH")).toBe("gpu2d.backed");
  expect(after(resource, ...backed2d, "CTX_ATTACH", "CTX_ATTACH")).toBe("gpu2d.backed");
});

test("resource 2d stays in the renderer after detach and takes both kinds of transfer", () => {
  const moved = ["CREATE_2D", "ATTACH_BACKING", "CTX_ATTACH", "CTX_DETACH"] as const;

  const state = after(
    resource,
    ...moved,
    "TRANSFER_TO_HOST_2D",
    "TRANSFER_TO_HOST_3D",
    "TRANSFER_FROM_HOST_3D",
  );

  expect(state).toBe("gpu2d.backed");
});

test("resource 2d never attached ctx detach returns ERR_INVALID_RESOURCE_ID", () => {
  expect(after(resource, "CREATE_2D", "CTX_DETACH")).toBe("CTX_DETACH: ERR_INVALID_RESOURCE_ID");
});

test("resource map of what is no host blob returns ERR_INVALID_PARAMETER", () => {
  for (const create of ["CREATE_2D", "CREATE_3D", "CREATE_BLOB_GUEST"] as const) {
    expect(after(resource, create, "MAP_BLOB")).toBe("MAP_BLOB: ERR_INVALID_PARAMETER");
    expect(after(resource, create, "UNMAP_BLOB")).toBe("UNMAP_BLOB: ERR_INVALID_PARAMETER");
  }
});

test("resource map blob twice returns ERR_UNSPEC", () => {
  expect(after(resource, "CREATE_BLOB_HOST", "MAP_BLOB", "MAP_BLOB")).toBe("MAP_BLOB: ERR_UNSPEC");
  expect(after(resource, "CREATE_BLOB_SHARED", "MAP_BLOB", "MAP_BLOB")).toBe("MAP_BLOB: ERR_UNSPEC");
});

test("resource unmap blob twice returns ERR_UNSPEC", () => {
  expect(after(resource, "CREATE_BLOB_HOST", "MAP_BLOB", "UNMAP_BLOB", "UNMAP_BLOB")).toBe(
    "UNMAP_BLOB: ERR_UNSPEC",
  );
});

test("resource unref of a mapped blob is allowed", () => {
  expect(after(resource, "CREATE_BLOB_HOST", "MAP_BLOB", "UNREF")).toBe("absent");
});

test("resource shared blob backing and mapping are independent", () => {
  expect(after(resource, "CREATE_BLOB_SHARED", "MAP_BLOB", "DETACH_BACKING")).toBe("blobShared.bare+mapped");
});

test("resource scanout command of the other family returns ERR_INVALID_PARAMETER", () => {
  expect(after(resource, "CREATE_2D", "SET_SCANOUT_BLOB")).toBe("SET_SCANOUT_BLOB: ERR_INVALID_PARAMETER");
  expect(after(resource, "CREATE_BLOB_GUEST", "SET_SCANOUT")).toBe("SET_SCANOUT: ERR_INVALID_PARAMETER");
});

test("resource guest blob without pages has no picture and returns ERR_UNSPEC", () => {
  for (const command of ["SET_SCANOUT_BLOB", "RESOURCE_FLUSH", "UPDATE_CURSOR", "EXPORT"] as const) {
    expect(after(resource, "CREATE_BLOB_GUEST", command)).toBe("blobGuest.backed");
    expect(after(resource, "CREATE_BLOB_GUEST", "DETACH_BACKING", command)).toBe(`${command}: ERR_UNSPEC`);
  }
});

test("resource host blob has no guest pages and returns ERR_INVALID_PARAMETER", () => {
  for (const command of ["ATTACH_BACKING", "DETACH_BACKING", "TRANSFER_TO_HOST_3D"] as const) {
    expect(after(resource, "CREATE_BLOB_HOST", command)).toBe(`${command}: ERR_INVALID_PARAMETER`);
  }
});
