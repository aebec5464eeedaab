// The system calls of a process that runs guests' commands and nothing else, once its renderer is up.

import type { Policy } from "../../transport/os/sandbox/filter.ts";
import {
  allow,
  engine,
  files,
  sharesFairly,
  missing,
  ownPrograms,
  programs,
  surroundings,
} from "./call-rules.ts";

/**
 * No more than fifty: no exec, no socket, nothing that makes a connection, and no process. With `startsPrograms` it has what those need
 * that run Vulkan, too.
 */
export function rendererCalls(startsPrograms: boolean, pid = process.pid): Policy {
  return {
    rules: {
      ...engine(pid),
      ...sharesFairly,
      // A driver's cache of compiled shaders. Where that may lie, Landlock says.
      ...allow(
        "openat",
        "newfstatat",
        "pwrite64",
        "fallocate",
        "flock",
        "mkdir",
        "rename",
        "unlink",
        "statx",
      ),
      ...(startsPrograms ? { ...files, ...surroundings, ...programs, ...ownPrograms } : {}),
    },
    missing,
  };
}
