// What a thread's lines share for their descriptors, from the first of them to the last.

import { expect, test } from "bun:test";
import { DescriptorSocket } from "../../../../src/actors/runtime/lines/descriptor-socket.ts";
import { createEventfd } from "../../../../src/transport/os/fds.ts";
import { socketPair } from "../../../../src/transport/os/unix-socket.ts";
import { countCalls } from "../../../support/call-counter.ts";
import { isOpen } from "../../../support/fds.ts";

test("the last one to close leaves nothing mapped, and another one can come", () => {
  for (let round = 0; round < 2; round++) {
    const calls = countCalls(() => {
      const [ours, theirs] = socketPair("seqpacket").map((fd) => new DescriptorSocket(fd));
      theirs!.close();
      ours!.close();
    });
    expect(calls["mmap"]).toBeGreaterThan(0);
    expect(calls["munmap"]).toBe(calls["mmap"]);
  }
});

test("one that stays goes on when another one closes", () => {
  const [ours, theirs] = socketPair("seqpacket").map((fd) => new DescriptorSocket(fd));
  const [other, another] = socketPair("seqpacket").map((fd) => new DescriptorSocket(fd));
  other!.close();
  another!.close();
  const sent = createEventfd();
  expect(ours!.send([sent])).toBe(true);
  const [received] = theirs!.receive(1);
  expect(isOpen(received!)).toBe(true);
  ours!.send([received!]);
  ours!.close();
  theirs!.close();
});
