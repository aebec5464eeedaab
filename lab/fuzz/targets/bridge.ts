// Peers of the resource bridge, in both its forms: packets of any bytes, with descriptors, from many peers at once.

import { join } from "node:path";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { SystemError } from "../../../src/transport/os/errors.ts";
import { closeFd, createEventfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { connectUnix } from "../../../src/transport/os/unix-path.ts";
import { CLOSED, SocketIo, WOULD_BLOCK } from "../../../src/transport/os/unix-socket.ts";
import { form2019 } from "../../../src/transport/wire/bridge/form-2019.ts";
import { jsonForm } from "../../../src/transport/wire/bridge/json-form.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, patienceMs, type Target } from "../target.ts";

const bytesMax = 8192;
const peersMax = 24;
const pathIn = (directory: string): string => join(directory, "bridge");

export const bridge: Target = {
  name: "bridge",
  about: "a packet of a bridge's peer, of 2019 or today",
  batch: 10_000,
  flags: (directory) => ["--renderer", "software", "--vulkan", "off", "--resource-bridge", pathIn(directory)],
  begin: ({ server, directory }) => new BridgeAttack(server.socketPath, pathIn(directory)),
};

class BridgeAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(bytesMax);
  private readonly bytes = new Uint8Array(this.memory.view());
  private readonly peers: number[] = Array.from({ length: peersMax }, () => -1);
  private readonly eventfd = createEventfd();

  constructor(
    socketPath: string,
    private readonly path: string,
  ) {
    this.guest = SyntheticGuest.boot(socketPath, { patienceMs });
    for (const id of [1, 2, 7])
      this.guest.gpu.show(0, this.guest.gpu.createImage(id, Format.B8G8R8X8, 64, 64));
  }

  input(chance: Chance): void {
    const at = chance(peersMax);
    if (this.peers[at]! >= 0 && oneIn(chance, 200)) this.hangUp(at);
    if (this.peers[at]! < 0) this.peers[at] = connectUnix(this.path, "seqpacket");
    this.send(chance, at);
    // One that does not read keeps nobody else waiting.
    if (!oneIn(chance, 30)) this.read(chance(peersMax));
    if (oneIn(chance, 16)) this.guest.pump.drain();
  }

  end(): void {
    for (let at = 0; at < peersMax; at++) this.hangUp(at);
    closeFd(this.eventfd);
    this.guest.close();
    this.io.close();
    this.memory.unmap();
  }

  private send(chance: Chance, at: number): void {
    let packet = packetOf(chance);
    if (oneIn(chance, 3)) packet = mutated(chance, packet, bytesMax);
    if (packet.length === 0) return;
    const fds = oneIn(chance, 20) ? [this.eventfd, this.eventfd] : [];
    try {
      this.deliver(at, packet, fds);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // The bridge has closed the connection, as it does with a peer that does not read.
      this.hangUp(at);
    }
  }

  /** Reads until there is room for what is sent. */
  private deliver(at: number, packet: Uint8Array, fds: readonly number[]): void {
    for (const socket = this.peers[at]!; this.peers[at] === socket;) {
      this.bytes.set(packet);
      this.io.clear();
      this.io.gather(this.memory.address, packet.length);
      if (this.io.send(socket, fds) !== WOULD_BLOCK) return;
      this.read(at);
      this.guest.pump.epoll.wait(1);
    }
  }

  private read(at: number): void {
    const socket = this.peers[at]!;
    if (socket < 0) return;
    try {
      const count = this.io.receive(socket, this.memory.address, bytesMax);
      this.io.receivedFds.forEach(closeFd);
      if (count === CLOSED) this.hangUp(at);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.hangUp(at);
    }
  }

  private hangUp(at: number): void {
    if (this.peers[at]! >= 0) closeFd(this.peers[at]!);
    this.peers[at] = -1;
  }
}

function packetOf(chance: Chance): Uint8Array {
  const resource = odd(chance, pick(chance, [1, 2, 7, 9]));
  if (oneIn(chance, 40)) return Uint8Array.from({ length: chance(bytesMax) }, () => chance(256));
  if (oneIn(chance, 3)) return form2019.encodeRequest({ kind: "buffer", resource });
  if (oneIn(chance, 3)) return jsonForm.encodeRequest({ kind: "fence", seqno: BigInt(word(chance)) });
  return jsonForm.encodeRequest({ kind: "buffer", resource: oneIn(chance, 6) ? uuid(chance) : resource });
}

const uuid = (chance: Chance): string => Array.from({ length: 32 }, () => chance(16).toString(16)).join("");
