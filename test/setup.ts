// Every test run checks messages against their schemas on receipt (see src/actors/runtime). Servers start without a
// renderer, which takes time that most tests have no use for; those of 3D ask for it. Storage is memfd everywhere, and
// not what the machine's GPU may have, unless somebody asks for another kind to be tested. A guest's commands run in a thread, which
// starts sooner than a process; `bun run test:isolated` runs the device's tests with one, and tests of processes ask for it.
//
// Tests have the time that a busy machine takes (support/patience.ts), unless they say otherwise.
//
// Every test file is watched for what it leaves behind (support/leaks.ts). A preload's own hooks run once a run and not
// once a file, so the watch is put around a file's text when it is loaded; no line moves.

import { plugin } from "bun";
import { afterEach } from "bun:test";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import { bePatient } from "./support/patience.ts";
import { noteTest, watch, watchTimers } from "./support/leaks.ts";
import { commandOf } from "./support/programs.ts";

ServerProcess.own = commandOf("serve");
process.env["FENCEPOST_CHECK_MESSAGES"] ??= "1";
process.env["FENCEPOST_RENDERER"] ??= "software";
process.env["FENCEPOST_STORAGE"] ??= "memfd";
process.env["FENCEPOST_ISOLATION"] ??= "thread";

Object.assign(globalThis, {
  watchLeaks: (path: string) => {
    bePatient();
    return watch(path);
  },
});
watchTimers();
afterEach(noteTest);
// Bun keeps a descriptor for these from their first use on.
Bun.spawnSync([process.execPath, "--revision"]);
plugin({
  name: "leaks",
  setup(build) {
    build.onLoad({ filter: /\.test\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      return {
        loader: "ts",
        contents: `const leaksAtEnd = watchLeaks(import.meta.path); ${text}\nleaksAtEnd();\n`,
      };
    });
  },
});
