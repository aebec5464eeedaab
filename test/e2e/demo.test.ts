// The demo with a guest in QEMU, ended as a person ends it.

import { expect, test } from "bun:test";
import { interruptDemo } from "../support/interrupted-demo.ts";

test.each([
  ["boots", "--qemu", "booting Linux"],
  ["computes by Vulkan", "--qemu --vulkan", "up after"],
])(
  "a Ctrl-C while the guest %s ends QEMU, the server and the demo, with code 130",
  async (_, flags, shown) => {
    expect(await interruptDemo(flags, shown, 1_000)).toEqual([]);
  },
  120_000,
);
