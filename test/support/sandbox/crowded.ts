// Runs a program where Landlock is there and takes no more: a host on which that layer cannot be had, whatever its kernel.

import { type PathRule, restrictReach } from "../../../src/transport/os/sandbox/landlock.ts";
import { forgoNewPrivileges } from "../../../src/transport/os/sandbox/privileges.ts";

/** A thread may have sixteen rulesets, one above the other. */
const layersMax = 16 - Number(process.env["CROWDED_LEFT"] ?? 0);
const paths: PathRule[] = (["run", "write", "device"] as const).map((right) => ({ path: "/", right }));

forgoNewPrivileges();
for (let layer = 0; layer < layersMax; layer++)
  restrictReach({ paths, listens: true, meetsAbstract: true }, 1);
const child = Bun.spawn(process.argv.slice(2), { stdio: ["ignore", "inherit", "inherit"] });
process.on("SIGTERM", () => child.kill("SIGTERM"));
process.exit(await child.exited);
