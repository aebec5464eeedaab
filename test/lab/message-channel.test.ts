// The VMM's end of a vhost-user socket: it keeps no descriptor that came with what nobody has read.

import { expect, test } from "bun:test";
import { Pump } from "../../lab/driver/pump.ts";
import { MessageChannel } from "../../lab/vmm/message-channel.ts";
import { createEventfd, closeFd } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { Header, RequestType } from "../../src/transport/wire/vhost-user/protocol.ts";
import { openFds } from "../support/fds.ts";

test.each([
  ["a message that nobody has taken", Header.bytes],
  ["a message that has not come whole", Header.bytes - 4],
])("closes what came with %s", (_name, bytes) => {
  const before = openFds();
  const pump = new Pump();
  const [ours, theirs] = socketPair("stream");
  const [channel, peer] = [ours, theirs].map((fd) => new MessageChannel(fd, pump, () => undefined));
  const sent = createEventfd();
  const message = new Uint8Array(Header.bytes);
  new DataView(message.buffer).setUint32(Header.request, RequestType.GET_INFLIGHT_FD, true);
  peer!.sendBytes(message.subarray(0, bytes), [sent]);
  closeFd(sent);
  const held = openFds();
  pump.until(() => openFds() === held + 1, "its descriptor");
  channel!.close();
  peer!.close();
  pump.close();
  expect(openFds()).toBe(before);
});
