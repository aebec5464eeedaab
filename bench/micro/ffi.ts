// What a call into the C library costs, with a system call behind it and without.

import { bench, do_not_optimize, group } from "mitata";
import { F_GETFL, libc } from "../../src/ffi/libc.ts";
import { Epoll, EPOLLET, EPOLLIN } from "../../src/transport/os/epoll.ts";
import { createEventfd, signalEventfd } from "../../src/transport/os/fds.ts";

const fd = createEventfd();
const epoll = new Epoll();
epoll.add(fd, EPOLLIN | EPOLLET, () => undefined);

group("call into the C library", () => {
  bench("no system call (__errno_location)", () => do_not_optimize(libc.__errno_location()));
  bench("the least system call (fcntl)", () => do_not_optimize(libc.fcntl(fd, F_GETFL, 0)));
  bench("signal an eventfd", () => signalEventfd(fd));
  bench("epoll_wait, nothing ready", () => do_not_optimize(epoll.wait(0)));
  bench("signal an eventfd that epoll watches, and take it", () => {
    signalEventfd(fd);
    do_not_optimize(epoll.wait(0));
  });
});
