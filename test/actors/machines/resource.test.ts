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

test("resource_unknown_id_returns_err_invalid_resource_id", () => {
  const commands = resource.events.filter((event) => !creates.some((create) => create === event));

  const answers = commands.map((command) => after(resource, command));

  expect(answers).toEqual(commands.map((command) => `${command}: ERR_INVALID_RESOURCE_ID`));
});

test("resource_duplicate_id_returns_err_invalid_resource_id", () => {
  for (const first of creates) {
    for (const second of creates) {
      expect(after(resource, first, second)).toBe(`${second}: ERR_INVALID_RESOURCE_ID`);
    }
  }
});

test("resource_id_is_free_again_after_unref", () => {
  for (const create of creates) {
    expect(after(resource, create, "UNREF")).toBe("absent");
    expect(after(resource, create, "UNREF", "UNREF")).toBe("UNREF: ERR_INVALID_RESOURCE_ID");
  }
});

test("resource_unref_with_backing_is_allowed", () => {
  expect(after(resource, ...backed2d, "UNREF")).toBe("absent");
});

test("resource_second_attach_backing_returns_err_unspec", () => {
  expect(after(resource, ...backed2d, "ATTACH_BACKING")).toBe("ATTACH_BACKING: ERR_UNSPEC");
  expect(after(resource, ...backed3d, "ATTACH_BACKING")).toBe("ATTACH_BACKING: ERR_UNSPEC");
  expect(after(resource, "CREATE_BLOB_GUEST", "ATTACH_BACKING")).toBe("ATTACH_BACKING: ERR_UNSPEC");
});

test("resource_backing_can_be_replaced_by_detach_and_attach", () => {
  expect(after(resource, ...backed2d, "DETACH_BACKING", "ATTACH_BACKING")).toBe("cpu2d.backed");
});

test("resource_detach_without_backing_returns_err_unspec", () => {
  expect(after(resource, "CREATE_2D", "DETACH_BACKING")).toBe("DETACH_BACKING: ERR_UNSPEC");
  expect(after(resource, "CREATE_3D", "DETACH_BACKING")).toBe("DETACH_BACKING: ERR_UNSPEC");
});

test("resource_transfer_without_backing_returns_err_unspec", () => {
  expect(after(resource, "CREATE_2D", "TRANSFER_TO_HOST_2D")).toBe("TRANSFER_TO_HOST_2D: ERR_UNSPEC");
  for (const transfer of ["TRANSFER_TO_HOST_2D", "TRANSFER_TO_HOST_3D", "TRANSFER_FROM_HOST_3D"] as const) {
    expect(after(resource, "CREATE_3D", transfer)).toBe(`${transfer}: ERR_UNSPEC`);
  }
});

test("resource_3d_transfer_of_cpu_storage_returns_err_invalid_parameter", () => {
  for (const transfer of ["TRANSFER_TO_HOST_3D", "TRANSFER_FROM_HOST_3D"] as const) {
    expect(after(resource, ...backed2d, transfer)).toBe(`${transfer}: ERR_INVALID_PARAMETER`);
    expect(after(resource, "CREATE_2D", transfer)).toBe(`${transfer}: ERR_INVALID_PARAMETER`);
  }
});

test("resource_without_backing_can_be_shown", () => {
  for (const create of ["CREATE_2D", "CREATE_3D"] as const) {
    const shown = after(resource, create, "SET_SCANOUT", "RESOURCE_FLUSH", "UPDATE_CURSOR", "EXPORT");
    expect(shown).toBe(after(resource, create));
  }
});

test("resource_2d_moves_into_the_renderer_once_when_a_context_attaches_it", () => {
  expect(after(resource, "CREATE_2D", "CTX_ATTACH")).toBe("gpu2d.bare");
  expect(after(resource, ...backed2d, "CTX_ATTACH")).toBe("gpu2d.backed");
  expect(after(resource, ...backed2d, "CTX_ATTACH", "CTX_ATTACH")).toBe("gpu2d.backed");
});

test("resource_2d_stays_in_the_renderer_after_detach_and_takes_both_kinds_of_transfer", () => {
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

test("resource_2d_never_attached_ctx_detach_returns_err_invalid_resource_id", () => {
  expect(after(resource, "CREATE_2D", "CTX_DETACH")).toBe("CTX_DETACH: ERR_INVALID_RESOURCE_ID");
});

test("resource_map_of_what_is_no_host_blob_returns_err_invalid_parameter", () => {
  for (const create of ["CREATE_2D", "CREATE_3D", "CREATE_BLOB_GUEST"] as const) {
    expect(after(resource, create, "MAP_BLOB")).toBe("MAP_BLOB: ERR_INVALID_PARAMETER");
    expect(after(resource, create, "UNMAP_BLOB")).toBe("UNMAP_BLOB: ERR_INVALID_PARAMETER");
  }
});

test("resource_map_blob_twice_returns_err_unspec", () => {
  expect(after(resource, "CREATE_BLOB_HOST", "MAP_BLOB", "MAP_BLOB")).toBe("MAP_BLOB: ERR_UNSPEC");
  expect(after(resource, "CREATE_BLOB_SHARED", "MAP_BLOB", "MAP_BLOB")).toBe("MAP_BLOB: ERR_UNSPEC");
});

test("resource_unmap_blob_twice_returns_err_unspec", () => {
  expect(after(resource, "CREATE_BLOB_HOST", "MAP_BLOB", "UNMAP_BLOB", "UNMAP_BLOB")).toBe(
    "UNMAP_BLOB: ERR_UNSPEC",
  );
});

test("resource_unref_of_a_mapped_blob_is_allowed", () => {
  expect(after(resource, "CREATE_BLOB_HOST", "MAP_BLOB", "UNREF")).toBe("absent");
});

test("resource_shared_blob_backing_and_mapping_are_independent", () => {
  expect(after(resource, "CREATE_BLOB_SHARED", "MAP_BLOB", "DETACH_BACKING")).toBe("blobShared.bare+mapped");
});

test("resource_scanout_command_of_the_other_family_returns_err_invalid_parameter", () => {
  expect(after(resource, "CREATE_2D", "SET_SCANOUT_BLOB")).toBe("SET_SCANOUT_BLOB: ERR_INVALID_PARAMETER");
  expect(after(resource, "CREATE_BLOB_GUEST", "SET_SCANOUT")).toBe("SET_SCANOUT: ERR_INVALID_PARAMETER");
});

test("resource_guest_blob_without_pages_has_no_picture_and_returns_err_unspec", () => {
  for (const command of ["SET_SCANOUT_BLOB", "RESOURCE_FLUSH", "UPDATE_CURSOR", "EXPORT"] as const) {
    expect(after(resource, "CREATE_BLOB_GUEST", command)).toBe("blobGuest.backed");
    expect(after(resource, "CREATE_BLOB_GUEST", "DETACH_BACKING", command)).toBe(`${command}: ERR_UNSPEC`);
  }
});

test("resource_host_blob_has_no_guest_pages_and_returns_err_invalid_parameter", () => {
  for (const command of ["ATTACH_BACKING", "DETACH_BACKING", "TRANSFER_TO_HOST_3D"] as const) {
    expect(after(resource, "CREATE_BLOB_HOST", command)).toBe(`${command}: ERR_INVALID_PARAMETER`);
  }
});
