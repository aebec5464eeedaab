// This process at the end of what it may have.

import { dlopen, ptr } from "bun:ffi";
import { RLIMIT_NOFILE } from "../../src/ffi/libc.ts";
import { closeFd, createEventfd } from "../../src/transport/os/fds.ts";

const RLIMIT_FSIZE = 1;
const { symbols } = dlopen("libc.so.6", {
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
});

/** Does `work` while this process can open nothing more: every new descriptor fails with EMFILE. */
export function withoutDescriptors<Result>(work: () => Result): Result {
  // Descriptor 0 is taken; with a limit of 0 the kernel finds the call itself wrong.
  return withLimit(RLIMIT_NOFILE, 1, work);
}

/** Does `work` while files can be written up to `bytes` only, as on a disk that is full: EFBIG beyond. */
export const withFileBytes = <Result>(bytes: number, work: () => Result): Result =>
  withLimit(RLIMIT_FSIZE, bytes, work);

/** Does `work` while this process can open `room` descriptors more. */
export function withDescriptors<Result>(room: number, work: () => Result): Result {
  if (room === 0) return withoutDescriptors(work);
  const free = Array.from({ length: room }, createEventfd);
  free.forEach(closeFd);
  return withLimit(RLIMIT_NOFILE, Math.max(...free) + 1, work);
}

function withLimit<Result>(resource: number, limit: number, work: () => Result): Result {
  const before = new BigUint64Array(2);
  symbols.getrlimit(resource, ptr(before));
  const none = new BigUint64Array([BigInt(limit), before[1]!]);
  if (symbols.setrlimit(resource, ptr(none)) !== 0) throw new Error("the limit cannot be set");
  try {
    return work();
  } finally {
    symbols.setrlimit(resource, ptr(before));
  }
}
