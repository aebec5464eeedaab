// A client's connection to a Wayland compositor: its objects, requests on their way out, events on their way in.
// Nothing here waits: what the socket does not take stays queued.

import { SystemError } from "../../os/errors.ts";
import { closeFd, duplicateFd } from "../../os/fds.ts";
import { NativeMemory } from "../../os/native-memory.ts";
import { CLOSED, type SocketIo, WOULD_BLOCK } from "../../os/unix-socket.ts";
import { type Named, WaylandObject } from "./object.ts";
import { WlDisplay } from "./protocol.ts";
import {
  decodeArguments,
  encodeMessage,
  headerBytes,
  messageBytesMax,
  WaylandError,
  type WireValue,
} from "./wire.ts";

/** Ids from here on are the compositor's. */
const clientIdMax = 0xfeff_ffff;
/** Libwayland takes no more descriptors at once. */
const fdsPerSendMax = 28;
/** A compositor that leaves so much unread is not alive. */
const queuedBytesMax = 4 * 1024 * 1024;
/** Descriptors that came before the events that they belong to. */
const waitingFdsMax = 256;
const receiveBytes = 2 * (messageBytesMax + 1);
/** What one {@link WaylandConnection.receive} takes at most: a compositor that never stops must not starve the others. */
const turnBytes = messageBytesMax + 1;
/** Living objects; a guest that shows more buffers than that loses its windows, and nothing else. */
const objectsMax = 65_536;

/** The compositor says what the client did wrong, and is about to hang up. */
export class ReportedError extends WaylandError {
  constructor(
    readonly object: WaylandObject,
    code: number,
    message: string,
  ) {
    super(`the compositor reports error ${code} of ${object.interface.name}: ${message}`);
  }
}

/** "more" may wait in the socket; "nothing" does. */
export type Received = "more" | "nothing" | "closed";

interface Outgoing {
  bytes: Uint8Array;
  /** Copies of the sender's, closed when they are sent. */
  fds: number[];
}

export class WaylandConnection {
  readonly display: WlDisplay;
  private readonly objects = new Map<number, WaylandObject>();
  private readonly freeIds: number[] = [];
  private nextId = 1;
  private outgoing: Outgoing[] = [];
  private queuedBytes = 0;
  private readonly output = NativeMemory.allocate(messageBytesMax + 1);
  private readonly outputBytes = new Uint8Array(this.output.view());
  private readonly input = NativeMemory.allocate(receiveBytes);
  private readonly inputBytes = new Uint8Array(this.input.view());
  private readonly inputData = new DataView(this.input.view());
  private inputLength = 0;
  private readonly inputFds: number[] = [];
  private isClosed = false;
  /** Why a request could not be queued; what was to follow it would make no sense without it. */
  private failure: Error | null = null;

  /** Takes over `socket`. */
  constructor(
    private readonly io: SocketIo,
    private readonly socket: number,
  ) {
    this.display = this.create(WlDisplay, 1);
    this.display.listener = {
      error: (object, code, message) => {
        throw new ReportedError(object, code, message);
      },
      deleteId: (id) => this.free(id),
    };
  }

  /** Makes an object that the next request must tell the compositor of. */
  create<Type extends WaylandObject>(type: Named<Type>, version: number): Type {
    const object = new type(this, this.freeIds.pop() ?? this.nextId++, version);
    this.objects.set(object.id, object);
    if (this.objects.size > objectsMax) this.failure ??= new WaylandError(`more than ${objectsMax} objects`);
    return object;
  }

  /** Queues a request. Descriptors among `values` stay the caller's. Where they run out, {@link flush} throws. */
  request(
    object: WaylandObject,
    opcode: number,
    values: readonly (WireValue | WaylandObject | null)[],
  ): void {
    if (this.isClosed || this.failure !== null) return;
    if (object.isDestroyed) throw new Error(`${object.interface.name}@${object.id} is destroyed`);
    const types = object.interface.requests[opcode]!.arguments;
    const wire = values.map((value) => (value instanceof WaylandObject ? value.id : (value ?? 0)));
    const { bytes, fds } = encodeMessage(object.id, opcode, types, wire);
    const copies: number[] = [];
    try {
      for (const fd of fds) copies.push(duplicateFd(fd));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.failure = error;
    }
    this.outgoing.push({ bytes, fds: copies });
    this.queuedBytes += bytes.length;
  }

  /** Sends what the socket takes. Returns whether that was all. Throws {@link WaylandError}, SystemError. */
  flush(): boolean {
    if (this.failure !== null) throw this.failure;
    if (this.queuedBytes > queuedBytesMax) throw new WaylandError("the compositor does not read its socket");
    while (this.outgoing.length > 0) {
      const { count, length, fds } = this.gather();
      this.io.clear();
      this.io.gather(this.output.address, length);
      const sent = this.io.send(this.socket, fds);
      if (sent === WOULD_BLOCK) return false;
      fds.forEach(closeFd);
      this.taken(count, sent);
    }
    return true;
  }

  /** Dispatches some of what has come, at most {@link turnBytes}. Throws {@link WaylandError}, SystemError. */
  receive(): Received {
    for (let taken = 0; taken < turnBytes && !this.isClosed;) {
      const address = this.input.address + this.inputLength;
      const room = Math.min(receiveBytes - this.inputLength, turnBytes - taken);
      const received = this.io.receive(this.socket, address, room);
      this.inputFds.push(...this.io.receivedFds);
      if (this.io.truncatedFds || this.inputFds.length > waitingFdsMax)
        throw new WaylandError("the compositor sends descriptors that no event is for");
      if (received === WOULD_BLOCK) return "nothing";
      if (received === CLOSED) return "closed";
      this.inputLength += received;
      taken += received;
      this.dispatch();
    }
    return this.isClosed ? "nothing" : "more";
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const { fds } of this.outgoing) fds.forEach(closeFd);
    this.inputFds.forEach(closeFd);
    closeFd(this.socket);
    this.output.unmap();
    this.input.unmap();
  }

  /** Copies queued messages to the send buffer, as many as go in one call. */
  private gather(): { count: number; length: number; fds: number[] } {
    let count = 0;
    let length = 0;
    const fds: number[] = [];
    for (const message of this.outgoing) {
      const isTooMuch = length + message.bytes.length > this.outputBytes.length;
      if (isTooMuch || fds.length + message.fds.length > fdsPerSendMax) break;
      this.outputBytes.set(message.bytes, length);
      length += message.bytes.length;
      fds.push(...message.fds);
      count++;
    }
    return { count, length, fds };
  }

  /** The socket took `sent` bytes of the first `count` messages, and all of their descriptors. */
  private taken(count: number, sent: number): void {
    this.queuedBytes -= sent;
    for (const message of this.outgoing.slice(0, count)) message.fds = [];
    let done = 0;
    for (let left = sent; left > 0;) {
      const { bytes } = this.outgoing[done]!;
      if (left < bytes.length) {
        this.outgoing[done]!.bytes = bytes.subarray(left);
        break;
      }
      left -= bytes.length;
      done++;
    }
    this.outgoing.splice(0, done);
  }

  private dispatch(): void {
    let offset = 0;
    while (!this.isClosed && this.inputLength - offset >= headerBytes) {
      const word = this.inputData.getUint32(offset + 4, true);
      const size = word >>> 16;
      if (size < headerBytes || size % 4 !== 0) throw new WaylandError(`a message says it has ${size} bytes`);
      if (this.inputLength - offset < size) break;
      const body = new DataView(this.inputData.buffer, offset + headerBytes, size - headerBytes);
      this.event(this.inputData.getUint32(offset, true), word & 0xffff, body);
      offset += size;
    }
    if (this.isClosed) return;
    this.inputBytes.copyWithin(0, offset, this.inputLength);
    this.inputLength -= offset;
  }

  private event(id: number, opcode: number, body: DataView): void {
    const object = this.objects.get(id);
    if (object === undefined) throw new WaylandError(`an event is for object ${id}, which is none`);
    const type = object.interface.events[opcode];
    if (type === undefined) throw new WaylandError(`${object.interface.name} has no event ${opcode}`);
    let fdCount = 0;
    const values = decodeArguments(type.arguments, body, () => {
      const fd = this.inputFds[fdCount++];
      if (fd === undefined)
        throw new WaylandError(`${type.name} of ${object.interface.name} lacks its descriptor`);
      return fd;
    });
    const fds = this.inputFds.splice(0, fdCount);
    const handler = (object.listener as Record<string, ((...values: unknown[]) => void) | undefined>)[
      type.handler
    ];
    if (object.isDestroyed || handler === undefined) return fds.forEach(closeFd);
    const told = type.arguments.map(({ code, interface: target }, index) => {
      if (code === "n") throw new WaylandError(`${type.name} of ${object.interface.name} was not asked for`);
      return code === "o" ? this.resolve(values[index] as number, target) : values[index];
    });
    handler(...told);
  }

  /** The object of an event's argument, or null where it has none. */
  private resolve(id: number, target: string): WaylandObject | null {
    if (id === 0) return null;
    const object = this.objects.get(id);
    if (object === undefined) throw new WaylandError(`an event names object ${id}, which is none`);
    if (target !== "" && object.interface.name !== target) {
      throw new WaylandError(`an event names a ${object.interface.name} where ${target} is due`);
    }
    return object;
  }

  private free(id: number): void {
    if (id > clientIdMax || !this.objects.delete(id)) {
      throw new WaylandError(`the compositor forgets object ${id}, which is none`);
    }
    this.freeIds.push(id);
  }
}
