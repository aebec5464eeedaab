// 3D contexts, broken ones included, and what is attached to them.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { attachmentMachine, contextMachine } from "../../../src/actors/machines/context.ts";
import { after } from "./walk.ts";

const context = compile(contextMachine);
const attachment = compile(attachmentMachine);

test("context_unknown_id_returns_err_invalid_context_id", () => {
  for (const event of ["CTX_DESTROY", "CTX_ATTACH", "CTX_DETACH", "SUBMIT_3D", "FENCE"] as const) {
    expect(after(context, event)).toBe(`${event}: ERR_INVALID_CONTEXT_ID`);
  }
});

test("context_duplicate_id_returns_err_invalid_context_id", () => {
  expect(after(context, "CTX_CREATE", "CTX_CREATE")).toBe("CTX_CREATE: ERR_INVALID_CONTEXT_ID");
  expect(after(context, "CTX_CREATE", "FAULT", "CTX_CREATE")).toBe("CTX_CREATE: ERR_INVALID_CONTEXT_ID");
});

test("context_id_is_free_again_after_destroy", () => {
  expect(after(context, "CTX_CREATE", "CTX_DESTROY", "CTX_CREATE", "SUBMIT_3D")).toBe("created");
});

test("context_lost_work_returns_err_unspec", () => {
  for (const event of ["SUBMIT_3D", "TRANSFER_TO_HOST_3D", "TRANSFER_FROM_HOST_3D", "CREATE_BLOB"] as const) {
    expect(after(context, "CTX_CREATE", "FAULT", event)).toBe(`${event}: ERR_UNSPEC`);
  }
});

test("context_lost_can_be_cleaned_up", () => {
  expect(after(context, "CTX_CREATE", "FAULT", "CTX_DETACH", "FENCE", "CTX_DESTROY")).toBe("absent");
});

test("attachment_twice_is_allowed", () => {
  expect(after(attachment, "CTX_ATTACH", "CTX_ATTACH")).toBe("attached");
});

test("attachment_detach_of_what_is_not_attached_returns_err_invalid_resource_id", () => {
  expect(after(attachment, "CTX_DETACH")).toBe("CTX_DETACH: ERR_INVALID_RESOURCE_ID");
  expect(after(attachment, "CTX_ATTACH", "CTX_DETACH", "CTX_DETACH")).toBe(
    "CTX_DETACH: ERR_INVALID_RESOURCE_ID",
  );
});
