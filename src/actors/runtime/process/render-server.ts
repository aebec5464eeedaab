// A process that gives up all that virglrenderer's render server does not need, and becomes that. Who runs guests' commands starts it, and
// has it in its own sandbox already.

import { writeSync } from "node:fs";
import { asPointer, F_SETFD, FD_CLOEXEC, libc, SIG_DFL } from "../../../ffi/libc.ts";
import { become, confineThread, layer } from "../../../transport/os/sandbox/confine.ts";
import { filterCalls } from "../../../transport/os/sandbox/seccomp.ts";
import { reachOfRenderServer } from "../../sandbox/reach.ts";
import { renderServerCalls } from "../../sandbox/render-server-calls.ts";
import { type RenderServerOrder, reportFd, socketFd } from "./render-server-order.ts";
import { firstLack } from "../../sandbox/report.ts";

const SIGPIPE = 13;

const { path, sandbox, limits } = JSON.parse(process.argv.at(-1)!) as RenderServerOrder;
const reach = reachOfRenderServer(path, process.env);
const policy = renderServerCalls();
const layers = confineThread({ reach, keptCapabilities: [] });
// The engine has ignored it.
libc.signal(SIGPIPE, asPointer(SIG_DFL));
libc.fcntl(socketFd, F_SETFD, 0);
libc.fcntl(reportFd, F_SETFD, FD_CLOEXEC);
layers.calls = layer(`${Object.keys(policy.rules).length} system calls`, () => filterCalls(policy));
writeSync(reportFd, JSON.stringify(layers));
if (sandbox === "on" && firstLack(layers) !== null) process.exit(1);
become(path, [path, "--socket-fd", String(socketFd)], process.env, limits);
