// Descriptors for messages to actors, which own theirs: all that a message needs, or none.

import { closeFd, duplicateFd } from "../../transport/os/fds.ts";

/**
 * What `make` makes with the duplicates that it asks for; -1 stays -1. Where one cannot be had, those before it are closed, and
 * the {@link SystemError} is thrown.
 */
export function withDuplicates<Made>(make: (duplicate: (fd: number) => number) => Made): Made {
  const made: number[] = [];
  try {
    return make((fd) => {
      if (fd < 0) return -1;
      const copy = duplicateFd(fd);
      made.push(copy);
      return copy;
    });
  } catch (error) {
    made.forEach(closeFd);
    throw error;
  }
}
