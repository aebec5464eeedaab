// Where a person sees the demo's server at work.

import type { ServerProcess } from "../vmm/server-process.ts";

/** How a program is called by whoever called this one. */
export type Call = (program: "demo" | "replay" | "ctl") => string;

/** A busy machine may take long. */
const answerMs = 60_000;

/** The page, and what `ctl` wants. */
export async function sayWhereToLook(server: ServerProcess, call: Call): Promise<void> {
  const { url } = await server.control({ command: "inspector" }, answerMs);
  console.log(`log        ${server.logPath}, while it runs`);
  console.log(`inspector  ${url}`);
  console.log(`           ${call("ctl")} --control-path ${server.controlPath} actors`);
}
