// Pages on loan to a socket: what the other side reads of them, when and after what.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { F_SETPIPE_SZ, libc } from "../../../src/ffi/libc.ts";
import { closeFd, createMemfd, setNonBlocking } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { PageLender, REFUSED } from "../../../src/transport/os/page-lender.ts";
import { SocketIo, sizeSendBuffer, socketPair, WOULD_BLOCK } from "../../../src/transport/os/unix-socket.ts";
import { failWith } from "../../support/errno.ts";
import { isOpen, openFds } from "../../support/fds.ts";

const pageBytes = 4096;
const bufferBytes = 8 * 1024 * 1024;
const io = new SocketIo();
const buffer = NativeMemory.allocate(bufferBytes);
const bytes = new Uint8Array(buffer.view());

let lender: PageLender;
let ours: number;
let theirs: number;
beforeEach(() => {
  lender = new PageLender();
  [ours, theirs] = socketPair("stream");
  setNonBlocking(ours);
  sizeSendBuffer(ours, 64 * 1024);
});
afterEach(() => {
  lender.close();
  closeFd(ours);
  if (isOpen(theirs)) closeFd(theirs);
});

/** Shared memory as a resource has it: `bytes` of which each page says its number in every byte, from `first` on. */
function numbered(bytes: number, first: number) {
  const fd = createMemfd("test", bytes);
  const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
  const view = new Uint8Array(memory.view());
  for (let at = 0; at < bytes; at += pageBytes) view.fill(first + at / pageBytes, at, at + pageBytes);
  return {
    address: memory.address,
    view,
    free(): void {
      memory.unmap();
      closeFd(fd);
    },
  };
}

const gather = (...ranges: [address: number, length: number][]): void => {
  io.clear();
  for (const [address, length] of ranges) io.gather(address, length);
};

/** All that the socket has, as it is read now. */
function received(): Uint8Array {
  let end = 0;
  for (;;) {
    const count = io.receive(theirs, buffer.address + end, bufferBytes - end);
    if (count <= 0) return bytes.slice(0, end);
    end += count;
  }
}

/** Runs `work` while the C library's `name` is `instead`. */
function replacing<Name extends "fcntl" | "splice" | "vmsplice" | "pipe2">(
  name: Name,
  instead: (original: (typeof libc)[Name]) => (...args: number[]) => number,
  work: () => void,
): void {
  const table = libc as Record<string, unknown>;
  const original = libc[name];
  table[name] = instead(original);
  try {
    work();
  } finally {
    table[name] = original;
  }
}

const failing = () => (): number => failWith("ENOSYS");

test("sends ranges of any alignment in their order", () => {
  const picture = numbered(16 * pageBytes, 0);
  gather(
    [picture.address + 100, 5000],
    [picture.address + 3 * pageBytes, 2 * pageBytes],
    [picture.address, 1],
  );
  const expected = [
    ...picture.view.subarray(100, 5100),
    ...picture.view.subarray(3 * pageBytes, 5 * pageBytes),
    0,
  ];
  expect(lender.send(io, ours)).toBe(expected.length);
  expect(lender.waiting).toBe(0);
  expect([...received()]).toEqual(expected);
  picture.free();
});

test("says how much the socket took, and goes on with the rest when it has room", () => {
  const picture = numbered(768 * 1024, 0);
  gather([picture.address, picture.view.length]);
  const pieces: Uint8Array[] = [];
  let taken = lender.send(io, ours);
  expect(taken + lender.waiting).toBe(picture.view.length);
  expect(lender.waiting).toBeGreaterThan(0);
  while (lender.waiting > 0) {
    expect(lender.send(io, ours)).toBe(WOULD_BLOCK);
    pieces.push(received());
    taken += lender.send(io, ours);
  }
  pieces.push(received());
  expect(taken).toBe(picture.view.length);
  expect(Buffer.concat(pieces).equals(picture.view)).toBe(true);
  picture.free();
});

test("takes of a long list what the pipe holds, however small it is", () => {
  const picture = numbered(2 * 1024 * 1024, 0);
  const small = (original: typeof libc.fcntl) => (fd: number, command: number, value: number) =>
    command === F_SETPIPE_SZ ? -1 : original(fd, command, value);
  replacing("fcntl", small as never, () => {
    gather([picture.address, picture.view.length]);
    expect(lender.send(io, ours)).toBe(16 * pageBytes);
  });
  expect(lender.waiting).toBe(0);
  expect(Buffer.from(received()).equals(picture.view.subarray(0, 16 * pageBytes))).toBe(true);
  picture.free();
});

describe("what is read late", () => {
  const lent = 32 * pageBytes;

  test("is the memory as it is by then", () => {
    const picture = numbered(lent, 1);
    gather([picture.address, lent]);
    expect(lender.send(io, ours)).toBe(lent);
    picture.view.fill(99);
    expect(new Set(received())).toEqual(new Set([99]));
    picture.free();
  });

  test("is what was lent, whatever became of the memory", () => {
    const picture = numbered(lent, 1);
    const expected = Buffer.from(picture.view);
    gather([picture.address, lent]);
    expect(lender.send(io, ours)).toBe(lent);
    picture.free();
    // Freed pages are the first to be used again, by memory of either kind, at the same address and elsewhere.
    const others = Array.from({ length: 64 }, () => numbered(lent, 100));
    const scratch = NativeMemory.allocate(64 * lent);
    new Uint8Array(scratch.view()).fill(200);
    expect(Buffer.from(received()).equals(expected)).toBe(true);
    for (const other of others) other.free();
    scratch.unmap();
  });

  test("is so of what waits in the pipe too", () => {
    const long = 768 * 1024;
    const picture = numbered(long, 1);
    const expected = Buffer.from(picture.view);
    gather([picture.address, long]);
    lender.send(io, ours);
    expect(lender.waiting).toBeGreaterThan(0);
    picture.free();
    const other = numbered(4 * long, 100);
    const pieces = [received()];
    while (lender.waiting > 0) {
      lender.send(io, ours);
      pieces.push(received());
    }
    expect(Buffer.concat(pieces).equals(expected)).toBe(true);
    other.free();
  });
});

describe("refuses", () => {
  test.each(["pipe2", "vmsplice"] as const)("where %s does not work, with nothing sent", (name) => {
    const before = openFds();
    const picture = numbered(pageBytes, 1);
    replacing(name, failing, () => {
      gather([picture.address, pageBytes]);
      expect(lender.send(io, ours)).toBe(REFUSED);
    });
    picture.free();
    expect(received().length).toBe(0);
    expect(openFds()).toBe(before);
  });

  test("memory that is not there, with nothing sent", () => {
    const picture = numbered(pageBytes, 1);
    picture.free();
    gather([picture.address, pageBytes]);
    expect(lender.send(io, ours)).toBe(REFUSED);
    expect(received().length).toBe(0);
  });

  test("where splice does not work, and drops what waits", () => {
    const before = openFds();
    const picture = numbered(768 * 1024, 1);
    gather([picture.address, picture.view.length]);
    const taken = lender.send(io, ours);
    expect(lender.waiting).toBeGreaterThan(0);
    replacing("splice", failing, () => expect(lender.send(io, ours)).toBe(REFUSED));
    expect(lender.waiting).toBe(0);
    expect(openFds()).toBe(before + 1);
    expect(received().length).toBe(taken);
    picture.free();
  });

  test("a socket that nobody reads any more", () => {
    const picture = numbered(pageBytes, 1);
    closeFd(theirs);
    gather([picture.address, pageBytes]);
    expect(lender.send(io, ours)).toBe(REFUSED);
    picture.free();
  });
});

test("goes on after it was interrupted", () => {
  const picture = numbered(pageBytes, 1);
  let interrupted = 0;
  const once =
    (original: typeof libc.splice) =>
    (...args: Parameters<typeof libc.splice>) => {
      return interrupted++ > 0 ? original(...args) : failWith("EINTR");
    };
  replacing("splice", once as never, () => {
    gather([picture.address, pageBytes]);
    expect(lender.send(io, ours)).toBe(pageBytes);
  });
  expect(interrupted).toBe(2);
  picture.free();
});

test("closing it twice closes no descriptor of another", () => {
  const picture = numbered(pageBytes, 1);
  gather([picture.address, pageBytes]);
  lender.send(io, ours);
  const before = openFds();
  lender.close();
  expect(openFds()).toBe(before - 2);
  const [one, two] = socketPair("stream");
  lender.close();
  expect(isOpen(one) && isOpen(two)).toBe(true);
  closeFd(one);
  closeFd(two);
  picture.free();
});

test("a process lives on when nobody reads its socket any more", () => {
  // Splice can't be told to raise no SIGPIPE, which would end a process that has not said what is to happen then.
  const fresh = ["env", "--default-signal=PIPE"];
  const child = Bun.spawnSync([...fresh, process.execPath, `${import.meta.dir}/broken-socket.ts`]);
  expect(child.stderr.toString()).toBe("");
  expect(child.signalCode).toBeUndefined();
  expect(child.stdout.toString()).toBe("splice failed with errno 32\n");
});
