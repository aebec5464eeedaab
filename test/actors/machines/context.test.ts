// 3D contexts, broken ones included, and what is attached to them.
import { expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { attachmentMachine, contextMachine } from "../../../src/actors/machines/context.ts";
import { after } from "./walk.ts";

const context = compile(contextMachine);
const attachment = compile(attachmentMachine);

test("context unknown id returns ERR_INVALID_CONTEXT_ID", () => {
  for (const event of ["CTX_DESTROY", "CTX_ATTACH", "CTX_DETACH", "SUBMIT_3D", "FENCE"] as const) {
    expect(after(context, event)).toBe(`${event}: ERR_INVALID_CONTEXT_ID`);
  }
});

test("context duplicate id returns ERR_INVALID_CONTEXT_ID", () => {
  expect(after(context, "CTX_CREATE", "CTX_CREATE")).toBe("CTX_CREATE: ERR_INVALID_CONTEXT_ID");
  expect(after(context, "CTX_CREATE", "FAULT", "CTX_CREATE")).toBe("CTX_CREATE: ERR_INVALID_CONTEXT_ID");
});

test("context id is free again after destroy", () => {
  expect(after(context, "CTX_CREATE", "CTX_DESTROY", "CTX_CREATE", "SUBMIT_3D")).toBe("created");
});

test("context lost work returns ERR_UNSPEC", () => {
  for (const event of ["SUBMIT_3D", "TRANSFER_TO_HOST_3D", "TRANSFER_FROM_HOST_3D", "CREATE_BLOB"] as const) {
    expect(after(context, "CTX_CREATE", "FAULT", event)).toBe(`${event}: ERR_UNSPEC`);
  }
});

test("context lost can be cleaned up", () => {
  expect(after(context, "CTX_CREATE", "FAULT", "CTX_DETACH", "FENCE", "CTX_DESTROY")).toBe("absent");
});

test("attachment twice is allowed", () => {
  expect(after(attachment, "CTX_ATTACH", "CTX_ATTACH")).toBe("attached");
});

test("attachment detach of what is not attached returns ERR_INVALID_RESOURCE_ID", () => {
  expect(after(attachment, "CTX_DETACH")).toBe("CTX_DETACH: ERR_INVALID_RESOURCE_ID");
  expect(after(attachment, "CTX_ATTACH", "CTX_DETACH", "CTX_DETACH")).toBe(
    "CTX_DETACH: ERR_INVALID_RESOURCE_ID",
  );
});
