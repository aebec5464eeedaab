// The server, as src/cli/server.ts starts it, with a door for tests: at SIGUSR2 it tries what nobody may inside of its sandbox, on its main
// thread and on a thread that it starts then, and prints what came of it.

import { begin } from "../../../src/cli/begin.ts";
import { tryAll } from "./attempts.ts";

const outside = process.env["PROBE_OUTSIDE"]!;

process.on("SIGUSR2", () => {
  const worker = new Worker(new URL("probing-thread.ts", import.meta.url).href);
  worker.onmessage = ({ data }) => {
    console.log(`attempts: ${JSON.stringify({ main: tryAll(outside), thread: data as unknown })}`);
    worker.terminate();
  };
  worker.postMessage(outside);
});

await begin("fencepost", () => import("../../../src/cli/serve.ts"));
