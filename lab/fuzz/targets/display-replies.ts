// What a VMM's display socket says: answers that fit no question, lie, come in pieces, or were never asked for.

import * as commands from "../../driver/commands.ts";
import { SyntheticGuest } from "../../driver/synthetic-guest.ts";
import * as answers from "../../vmm/display-answers.ts";
import { SystemError } from "../../../src/transport/os/errors.ts";
import { closeFd, duplicateFd, setNonBlocking } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { CLOSED, SocketIo, socketPair, WOULD_BLOCK } from "../../../src/transport/os/unix-socket.ts";
import {
  DisplayRequest,
  Header,
  replyBytes,
  replyFlag,
} from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, odd, oneIn, pick, word } from "../chance.ts";
import { type Attack, patienceMs, type Target } from "../target.ts";
import { untilAnswered } from "../waiting.ts";

const questions = [
  DisplayRequest.GET_PROTOCOL_FEATURES,
  DisplayRequest.GET_DISPLAY_INFO,
  DisplayRequest.GET_EDID,
  DisplayRequest.DMABUF_UPDATE,
];
const bytesMax = 1 << 16;
const pictureId = 1;
/** Answers of one socket, where the server has not hung up before. */
const answersMax = 6;

export const displayReplies: Target = {
  name: "display-replies",
  about: "an answer of the VMM's display, asked for or not",
  batch: 4_000,
  // What is not answered is not waited for.
  flags: () => ["--renderer", "software", "--vulkan", "off", "--display-timeout-ms", "1"],
  begin: ({ server }) => new DisplayAttack(server.socketPath),
};

class DisplayAttack implements Attack {
  private readonly guest: SyntheticGuest;
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(bytesMax);
  private readonly bytes = new Uint8Array(this.memory.view());
  private socket = -1;
  private left = 0;

  constructor(socketPath: string) {
    this.guest = SyntheticGuest.boot(socketPath, { display: null, patienceMs });
    const image = this.guest.gpu.createImage(pictureId, Format.B8G8R8X8, 64, 64);
    this.guest.gpu.show(0, image);
  }

  input(chance: Chance): void {
    const isNew = this.left === 0;
    if (isNew) this.open(chance);
    const first = isNew && !oneIn(chance, 8);
    this.send(chance, first ? DisplayRequest.GET_PROTOCOL_FEATURES : pick(chance, questions));
    this.left--;
    const { control } = this.guest;
    if (oneIn(chance, 4)) control.submit(commands.getDisplayInfo());
    if (oneIn(chance, 6)) control.submit(commands.getEdid(odd(chance, 0)));
    if (oneIn(chance, 3))
      control.submit(
        commands.flushResource(pictureId, { x: chance(60), y: chance(60), width: 4, height: 4 }),
      );
    this.read();
    this.guest.pump.drain();
    control.collect();
  }

  end(): void {
    this.close();
    try {
      untilAnswered(this.guest);
    } finally {
      this.guest.close();
      this.io.close();
      this.memory.unmap();
    }
  }

  private open(chance: Chance): void {
    this.close();
    const [ours, theirs] = socketPair("stream");
    setNonBlocking(ours);
    this.socket = ours;
    this.left = 1 + chance(answersMax);
    this.guest.frontend.gpuSetSocket(theirs);
    closeFd(theirs);
  }

  private close(): void {
    if (this.socket >= 0) closeFd(this.socket);
    this.socket = -1;
  }

  private send(chance: Chance, request: number): void {
    let answer = answerOf(chance, request);
    if (oneIn(chance, 4)) answer = mutated(chance, answer, bytesMax);
    const fds = oneIn(chance, 20) ? [duplicateFd(this.socket)] : [];
    this.bytes.set(answer);
    this.io.clear();
    this.io.gather(this.memory.address, answer.length);
    try {
      if (answer.length > 0) this.io.send(this.socket, fds);
    } catch (error) {
      // It hangs up on what it cannot understand.
      if (!(error instanceof SystemError)) throw error;
      this.left = 1;
    } finally {
      fds.forEach(closeFd);
    }
  }

  /** Takes what the server says, so that its own waiting is no part of this. */
  private read(): void {
    for (;;) {
      try {
        const count = this.io.receive(this.socket, this.memory.address, bytesMax);
        this.io.receivedFds.forEach(closeFd);
        if (count === WOULD_BLOCK || count === CLOSED) return;
      } catch (error) {
        // What it left unread is an error of the socket's.
        if (!(error instanceof SystemError)) throw error;
        return;
      }
    }
  }
}

function answerOf(chance: Chance, request: number): Uint8Array {
  const size = replyBytes[request]!;
  const bytes = new Uint8Array(Header.bytes + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(Header.request, odd(chance, request, 20), true);
  view.setUint32(Header.flags, odd(chance, replyFlag, 20), true);
  view.setUint32(Header.size, odd(chance, size, 20), true);
  const payload = new DataView(bytes.buffer, Header.bytes);
  if (request === DisplayRequest.GET_PROTOCOL_FEATURES)
    answers.features(odd(chance, chance(4)))(payload, bytes);
  else if (request === DisplayRequest.GET_DISPLAY_INFO) {
    const mode = () => ({
      x: odd(chance, 0),
      y: odd(chance, 0),
      width: odd(chance, 640, 4),
      height: odd(chance, 480, 4),
    });
    answers.displayInfo(Array.from({ length: chance(17) }, mode))(payload, bytes);
  } else if (request === DisplayRequest.GET_EDID) {
    const block = Uint8Array.from(answers.plainEdid(), (byte) => (oneIn(chance, 20) ? chance(256) : byte));
    answers.edid(block)(payload, bytes.subarray(Header.bytes));
    if (oneIn(chance, 4)) payload.setUint32(24, word(chance), true);
  }
  return bytes;
}
