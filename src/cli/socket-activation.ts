// The socket that systemd, or systemd-socket-activate, hands over (sd_listen_fds(3)).

import { ConfigError } from "../config-error.ts";

const firstFd = 3;

type Environment = Record<string, string | undefined>;

/**
 * The environment with that socket as FENCEPOST_FD, where one was handed over to process `pid` and nothing else is
 * said. Throws {@link ConfigError} where there are several.
 */
export function withActivation(env: Environment, pid = process.pid): Environment {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES: _, ...rest } = env;
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === undefined || LISTEN_FDS === "0") return rest;
  if (LISTEN_FDS !== "1") {
    throw new ConfigError(
      `LISTEN_FDS: ${LISTEN_FDS} sockets were handed over: a GPU has one front-end, want one`,
    );
  }
  return { FENCEPOST_FD: String(firstFd), ...rest };
}
