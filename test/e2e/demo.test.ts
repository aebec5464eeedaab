// The demo with a guest in QEMU, ended as a person ends it.

import { expect, test } from "bun:test";
import { interruptDemo } from "../support/interrupted-demo.ts";

test("a Ctrl-C while the guest boots ends QEMU, the server and the demo, with code 130", async () => {
  expect(await interruptDemo("--qemu", "booting Linux", 1_000)).toEqual([]);
});
