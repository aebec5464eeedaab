// What a front-end says: messages right in most fields, in any order, with descriptors that need not be what they should.

import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import { SessionClosed } from "../../vmm/message-channel.ts";
import * as payloads from "../../vmm/vhost-user-payloads.ts";
import { closeFd, createEventfd, createMemfd, createPipe } from "../../../src/transport/os/fds.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { Flags, Header, RequestType } from "../../../src/transport/wire/vhost-user/protocol.ts";
import { type Chance, mutated, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, patienceMs, type Target } from "../target.ts";

const requests = Object.values(RequestType);
const payloadBytesMax = 5000;
/** Messages of one connection, where the server has not hung up before. */
const messagesMax = 200;
const memoryBytes = 2 ** 20;
const { version, needReply, reply } = Flags;

export const vhostUser: Target = {
  name: "vhost-user",
  about: "a front-end's message, with descriptors",
  batch: 4_000,
  flags: () => ["--renderer", "software", "--vulkan", "off"],
  begin: ({ server }) => new FrontEndAttack(server.socketPath),
};

class FrontEndAttack implements Attack {
  private guest: SyntheticGuest | null = null;
  private messages = 0;
  /** Of all kinds that a front-end has, and some that it has not. */
  private readonly fds: readonly number[];

  constructor(private readonly socketPath: string) {
    this.fds = [
      createMemfd("fuzz", memoryBytes),
      createMemfd("fuzz-short", 4096),
      createEventfd(),
      createEventfd(),
      ...createPipe(4096),
      ...socketPair("stream"),
      ...socketPair("seqpacket"),
    ];
  }

  input(chance: Chance): void {
    const guest = (this.guest ??= this.connect(chance));
    try {
      this.send(guest, chance);
      guest.pump.drain();
      guest.frontend.backendRequests.length = 0;
    } catch (error) {
      // It hangs up on what it cannot understand, as it should.
      if (!(error instanceof SessionClosed)) throw error;
    }
    if (guest.frontend.closed || ++this.messages >= messagesMax) this.hangUp();
  }

  end(): void {
    this.hangUp();
    this.fds.forEach(closeFd);
  }

  private hangUp(): void {
    this.guest?.close();
    this.guest = null;
    this.messages = 0;
  }

  private connect(chance: Chance): SyntheticGuest {
    const memory = [{ guestAddress: 0, size: memoryBytes }];
    const guest = SyntheticGuest.connect(this.socketPath, { memory, queueSizes: [64, 16], patienceMs });
    const stage = chance(4);
    try {
      if (stage > 0) guest.initialise();
      if (stage > 1) guest.start();
    } catch (error) {
      guest.close();
      throw error;
    }
    return guest;
  }

  private send({ frontend, memory }: SyntheticGuest, chance: Chance): void {
    const request = odd(chance, pick(chance, requests), 40);
    let payload = this.payload(chance, request, memory.regions[0]!.userAddress);
    if (oneIn(chance, 6)) payload = mutated(chance, payload, payloadBytesMax);
    const fds = this.fdsOf(chance, request);
    if (oneIn(chance, 60)) return frontend.sendBytes(lying(chance, request, payload), fds);
    const flags = odd(
      chance,
      version | (oneIn(chance, 3) ? needReply : 0) | (oneIn(chance, 80) ? reply : 0),
      80,
    );
    frontend.send(request, payload, fds, flags);
  }

  private payload(chance: Chance, request: number, userAddress: number): Uint8Array {
    const index = odd(chance, chance(2), 20);
    const place = (): number => odd(chance, userAddress + chance(250) * 4096, 20);
    switch (request) {
      case RequestType.SET_FEATURES:
      case RequestType.SET_PROTOCOL_FEATURES:
        return payloads.u64((BigInt(word(chance)) << 32n) | BigInt(word(chance)));
      case RequestType.SET_MEM_TABLE:
        return payloads.memoryTable(this.regions(chance, userAddress));
      case RequestType.ADD_MEM_REG:
      case RequestType.REM_MEM_REG:
        return payloads.singleRegion(this.regions(chance, userAddress)[0]!);
      case RequestType.SET_VRING_ADDR:
        return payloads.vringAddresses(index, {
          desc: place(),
          used: place(),
          avail: place(),
          log: odd(chance, 0),
          logUsed: oneIn(chance, 4),
        });
      case RequestType.SET_VRING_NUM:
        return payloads.vringState(index, odd(chance, 2 ** chance(9)));
      case RequestType.SET_VRING_BASE:
      case RequestType.GET_VRING_BASE:
      case RequestType.SET_VRING_ENABLE:
        return payloads.vringState(index, odd(chance, chance(2)));
      case RequestType.SET_VRING_KICK:
      case RequestType.SET_VRING_CALL:
      case RequestType.SET_VRING_ERR:
        return payloads.u64(BigInt(oneIn(chance, 5) ? index | 0x100 : index));
      case RequestType.GET_CONFIG:
      case RequestType.SET_CONFIG: {
        const size = chance(40);
        const [at, said] = [odd(chance, chance(20)), odd(chance, size)];
        return payloads.configRequest(at, said, odd(chance, 0), new Uint8Array(size));
      }
      case RequestType.SET_LOG_BASE:
        return payloads.log(odd(chance, 4096), odd(chance, 0));
      case RequestType.GET_INFLIGHT_FD:
      case RequestType.SET_INFLIGHT_FD:
        return payloads.inflight(odd(chance, 8192), odd(chance, 0), odd(chance, 2), odd(chance, 64));
      case RequestType.SET_DEVICE_STATE_FD:
        return payloads.stateTransfer(odd(chance, chance(2), 20), odd(chance, 0, 20));
      default:
        return Uint8Array.from({ length: oneIn(chance, 4) ? chance(64) : 0 }, () => chance(256));
    }
  }

  private regions(chance: Chance, userAddress: number): Parameters<typeof payloads.memoryTable>[0] {
    return Array.from({ length: 1 + chance(3) }, (_, at) => ({
      guestAddress: odd(chance, at * memoryBytes),
      size: odd(chance, memoryBytes),
      userAddress: odd(chance, userAddress + at * memoryBytes),
    }));
  }

  private fdsOf(chance: Chance, request: number): number[] {
    const usual: Partial<Record<number, number>> = {
      [RequestType.SET_MEM_TABLE]: 0,
      [RequestType.ADD_MEM_REG]: 0,
      [RequestType.SET_LOG_BASE]: 0,
      [RequestType.SET_INFLIGHT_FD]: 0,
      [RequestType.SET_VRING_KICK]: 2,
      [RequestType.SET_VRING_CALL]: 3,
      [RequestType.SET_VRING_ERR]: 3,
      [RequestType.SET_BACKEND_REQ_FD]: 6,
      [RequestType.GPU_SET_SOCKET]: 7,
      [RequestType.SET_DEVICE_STATE_FD]: 4 + chance(2),
    };
    const at = usual[request];
    const any = (): number => pick(chance, this.fds);
    if (oneIn(chance, 12)) return Array.from({ length: chance(12) }, any);
    if (at === undefined) return [];
    const count = request === RequestType.SET_MEM_TABLE ? 1 + chance(3) : 1;
    return Array.from({ length: count }, () => (oneIn(chance, 8) ? any() : this.fds[at]!));
  }
}

/** A header that says another length, and the bytes that it says so of. */
function lying(chance: Chance, request: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Header.bytes + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(Header.request, request, true);
  view.setUint32(Header.flags, odd(chance, version), true);
  view.setUint32(Header.size, oneIn(chance, 2) ? payload.length + chance(9) - 4 : word(chance), true);
  bytes.set(payload, Header.bytes);
  return bytes;
}
