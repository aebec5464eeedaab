// The system calls of a server that is up: all of its actors, as threads of one process.

import type { ServerConfig } from "../../config.ts";
import { AF_UNIX } from "../../ffi/libc.ts";
import type { Policy } from "../../transport/os/sandbox/filter.ts";
import {
  allow,
  deviceRequests,
  engine,
  files,
  missing,
  ownPrograms,
  programs,
  names,
  type Rules,
  surroundings,
} from "./call-rules.ts";

const AF_INET = 2;
const AF_INET6 = 10;

/** Threads of drivers that give way to others: SCHED_OTHER, SCHED_BATCH, SCHED_IDLE. */
const ordinaryPolicies = [0, 3, 5];

const sockets: Rules = allow("connect", "bind", "listen", "accept", "accept4", "sendmmsg", "recvmmsg");

/** `startsPrograms` where its threads do; one that has a child does. */
export function serverCalls(config: ServerConfig, startsPrograms: boolean, pid = process.pid): Policy {
  const families = [AF_UNIX, ...(config.inspect === undefined ? [] : [AF_INET, AF_INET6])];
  const isParent = config.isolation === "process";
  return {
    rules: {
      ...engine(pid),
      ...files,
      ...surroundings,
      ...sockets,
      ...allow("pipe2", "rt_sigaction", "sigaltstack", "dup", "dup2", "dup3", "pipe"),
      prctl: names,
      ...allow("splice", "vmsplice", "timerfd_create", "timerfd_settime"),
      ...(config.socketGroup === undefined ? {} : allow("chown", "fchownat")),
      socket: [[{ argument: 0, is: families }]],
      socketpair: [[{ argument: 0, is: [AF_UNIX] }]],
      ioctl: deviceRequests,
      sched_setscheduler: [[{ argument: 1, is: ordinaryPolicies }]],
      // Its own threads, as `nice` does.
      setpriority: [
        [
          { argument: 0, is: [0] },
          { argument: 1, is: [0] },
        ],
      ],
      prlimit64: [[{ argument: 0, is: [0, pid] }]],
      ...(startsPrograms || isParent ? { ...programs, ...ownPrograms } : {}),
    },
    missing,
  };
}
