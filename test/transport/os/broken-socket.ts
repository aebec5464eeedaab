// A process of its own that lends a page, on a worker's thread as the display does, to a socket that nobody reads.

import { isMainThread, Worker } from "node:worker_threads";
import { asPointer, errno, libc } from "../../../src/ffi/libc.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { SocketIo, socketPair } from "../../../src/transport/os/unix-socket.ts";

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  worker.on("exit", (code) => process.exit(code));
} else {
  const io = new SocketIo();
  const page = NativeMemory.allocate(4096);
  const [ours, theirs] = socketPair("stream");
  const pipe = new Int32Array(2);
  closeFd(theirs);
  libc.pipe2(pipe, 0);
  io.gather(page.address, page.length);
  libc.vmsplice(pipe[1]!, asPointer(io.gathered.address), 1, 0);
  libc.splice(pipe[0]!, null, ours, null, page.length, 0);
  console.log(`splice failed with errno ${errno()}`);
}
