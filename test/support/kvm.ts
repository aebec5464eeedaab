// Tests of machines of KVM: skipped where the host has no /dev/kvm, and says so.

import { test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { kvmPath } from "../../lab/kvm/kvm.ts";

const build = join(import.meta.dir, "..", "..", "scripts", "build-kvm-guest.sh");
const isMissing = !existsSync(kvmPath);

/** Has the guest's program built of what its source is now. */
export function buildProgram(): void {
  if (isMissing) return;
  const { success, stderr } = Bun.spawnSync([build], { stdout: "ignore" });
  if (!success) throw new Error(stderr.toString());
}

/** .ci/run knows the reason in the name from others. */
export const kvmTest = (name: string, body: () => void | Promise<void>, limitMs?: number): void =>
  test.skipIf(isMissing)(isMissing ? `${name} (no ${kvmPath} here)` : name, body, limitMs);
