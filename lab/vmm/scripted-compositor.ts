// A Wayland compositor that does what it is told: it keeps books of its client's objects, and answers nothing that it
// is not told to, save what no client can do without. For what a real compositor does not show on this machine.

import type { Pump } from "../driver/pump.ts";
import { EPOLLIN } from "../../src/transport/os/epoll.ts";
import { SystemError } from "../../src/transport/os/errors.ts";
import { closeFd, setNonBlocking, sizeOfFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { acceptUnix, listenUnix } from "../../src/transport/os/unix-path.ts";
import { CLOSED, sizeSendBuffer, SocketIo, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import type { Interface } from "../../src/transport/wire/wayland/descriptions.ts";
import * as protocol from "../../src/transport/wire/wayland/protocol.ts";
import {
  decodeArguments,
  encodeMessage,
  headerBytes,
  type WireValue,
} from "../../src/transport/wire/wayland/wire.ts";

const interfaces = new Map(
  Object.values(protocol)
    .flatMap((one) => ("interface" in one ? [one.interface as Interface] : []))
    .map((one) => [one.name, one]),
);

/** The versions of what is offered by default. */
export const usualGlobals: Record<string, number> = {
  wl_compositor: 4,
  wl_shm: 1,
  xdg_wm_base: 2,
  wp_viewporter: 1,
  wl_seat: 5,
  wl_output: 2,
};

export interface ServerObject {
  id: number;
  interface: Interface;
  isDestroyed: boolean;
  /** What was asked of it, in order; a new object stands for its id. */
  requests: { name: string; args: (WireValue | ServerObject)[] }[];
}

const bytesMax = 1 << 20;
/** zwp_linux_buffer_params_v1's error of a dma-buf that cannot be imported. */
const invalidWlBuffer = 7;

export class ScriptedCompositor {
  private readonly listener: number;
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(bytesMax);
  private readonly data = new DataView(this.memory.view());
  private readonly output = NativeMemory.allocate(bytesMax);
  private client = -1;
  private length = 0;
  private readonly fds: number[] = [];
  /** All objects that there were, in the order in which they were made. */
  objects: ServerObject[] = [];
  connections = 0;
  /** Whether it takes a dma-buf for a mistake, as one does that draws on another GPU. */
  failsImports = false;
  /** While false, the client's socket is not read. */
  isReading = true;
  /** Told of a request of what the client was never given, or has destroyed. */
  strayed = (what: string): void => {
    throw new Error(what);
  };
  /** Told of every other request, once it is in the books. */
  asked: (object: ServerObject, name: string, args: readonly (WireValue | ServerObject)[]) => void = () => {};

  constructor(
    readonly path: string,
    private readonly pump: Pump,
    private readonly globals: Record<string, number> = usualGlobals,
  ) {
    this.listener = listenUnix(path, "stream");
    pump.epoll.add(this.listener, EPOLLIN, () => this.accept());
  }

  get isConnected(): boolean {
    return this.client >= 0;
  }

  /** The living objects of an interface, oldest first. */
  all(name: string): ServerObject[] {
    return this.objects.filter((one) => one.interface.name === name && !one.isDestroyed);
  }

  /** The only living object of an interface. */
  one(name: string): ServerObject {
    const all = this.all(name);
    if (all.length !== 1) throw new Error(`there are ${all.length} of ${name}, not one`);
    return all[0]!;
  }

  /** Sends an event; objects stand for their ids, and descriptors stay the caller's. */
  send(object: ServerObject, name: string, ...values: (WireValue | ServerObject)[]): void {
    const opcode = object.interface.events.findIndex((event) => event.name === name);
    if (opcode < 0) throw new Error(`${object.interface.name} has no event ${name}`);
    const wire = values.map((value) => (isObject(value) ? value.id : value));
    const types = object.interface.events[opcode]!.arguments;
    const { bytes, fds } = encodeMessage(object.id, opcode, types, wire);
    this.sendBytes(bytes, fds);
  }

  /** Sends bytes that need be no message. */
  sendBytes(bytes: Uint8Array, fds: readonly number[] = []): void {
    new Uint8Array(this.output.view()).set(bytes);
    this.io.clear();
    this.io.gather(this.output.address, bytes.length);
    try {
      this.io.send(this.client, fds);
    } catch (error) {
      // A client that hung up may have left requests.
      if (!(error instanceof SystemError)) throw error;
    }
  }

  /** Sends an event many times in one go, each with a value of its own. */
  flood(object: ServerObject, name: string, values: readonly number[]): void {
    const opcode = object.interface.events.findIndex((event) => event.name === name);
    const types = object.interface.events[opcode]!.arguments;
    sizeSendBuffer(this.client, bytesMax);
    this.sendBytes(
      Buffer.concat(values.map((value) => encodeMessage(object.id, opcode, types, [value]).bytes)),
    );
  }

  /** Lets a toplevel be shown: the configure of both its halves. */
  configure(toplevel = this.one("xdg_toplevel"), width = 0, height = 0, states: number[] = []): void {
    this.send(toplevel, "configure", width, height, new Uint8Array(Uint32Array.from(states).buffer));
    const xdgSurface = this.objects.find(({ requests }) =>
      requests.some(({ name, args }) => name === "get_toplevel" && args[0] === toplevel),
    )!;
    this.send(xdgSurface, "configure", ++this.serial);
  }

  /** Ends the frames that the client waits for. */
  drawFrame(): void {
    for (const { requests } of this.all("wl_surface")) {
      for (const { name, args } of requests)
        if (name === "frame" && isObject(args[0]) && !args[0].isDestroyed) this.finish(args[0]);
    }
  }

  /** Ends what a callback stands for. */
  finish(callback: ServerObject): void {
    this.send(callback, "done", 0);
    this.forget(callback);
  }

  /** The pixels of a wl_buffer in shared memory, as 0xAARRGGBB row by row. */
  pixelsOf(buffer: ServerObject): Uint32Array {
    const { pool, offset, width, height, stride } = this.layoutOf(buffer);
    const fd = this.poolFds.get(pool)!;
    const memory = NativeMemory.mapShared(fd, 0, sizeOfFd(fd), "read");
    const words = new Uint32Array(memory.view());
    const pixels = Uint32Array.from({ length: width * height }, (_, at) => {
      const row = Math.floor(at / width);
      return words[(offset + row * stride) / 4 + (at % width)]!;
    });
    memory.unmap();
    return pixels;
  }

  /** How many pixels a row of a wl_buffer in shared memory has. */
  widthOf(buffer: ServerObject): number {
    return this.layoutOf(buffer).width;
  }

  /** How a wl_buffer lies in shared memory: bytes, pixels, and wl_shm's code of these. */
  layoutOf(buffer: ServerObject) {
    const isIts = ({ name, args }: ServerObject["requests"][number]): boolean =>
      name === "create_buffer" && args[0] === buffer;
    const pool = this.objects.find(({ requests }) => requests.some(isIts))!;
    const [, offset, width, height, stride, format] = pool.requests.find(isIts)!.args as number[];
    return { pool, offset: offset!, width: width!, height: height!, stride: stride!, format: format! };
  }

  /** Hangs up. */
  drop(): void {
    if (this.client < 0) return;
    this.pump.epoll.remove(this.client);
    closeFd(this.client);
    this.client = -1;
    this.length = 0;
    for (const fd of [...this.poolFds.values(), ...this.fds.splice(0)]) closeFd(fd);
    this.poolFds.clear();
  }

  close(): void {
    this.drop();
    this.pump.epoll.remove(this.listener);
    closeFd(this.listener);
    this.io.close();
    this.memory.unmap();
    this.output.unmap();
  }

  private serial = 0;
  private readonly poolFds = new Map<ServerObject, number>();
  private readonly byId = new Map<number, ServerObject>();

  private accept(): void {
    this.drop();
    this.client = acceptUnix(this.listener);
    setNonBlocking(this.client);
    this.connections++;
    this.objects = [];
    this.byId.clear();
    this.make(1, "wl_display");
    this.pump.epoll.add(this.client, EPOLLIN, () => this.read());
  }

  private read(): void {
    while (this.isReading && this.client >= 0) {
      const received = this.receive();
      this.fds.push(...this.io.receivedFds);
      if (received === WOULD_BLOCK) return;
      if (received === CLOSED) return this.drop();
      this.length += received;
      this.dispatch();
    }
  }

  private receive(): number {
    try {
      return this.io.receive(this.client, this.memory.address + this.length, bytesMax - this.length);
    } catch (error) {
      // A client that hung up may have left events unread.
      if (!(error instanceof SystemError)) throw error;
      return CLOSED;
    }
  }

  private dispatch(): void {
    let at = 0;
    while (this.length - at >= headerBytes) {
      const word = this.data.getUint32(at + 4, true);
      const size = word >>> 16;
      if (this.length - at < size) break;
      const body = new DataView(this.data.buffer, at + headerBytes, size - headerBytes);
      const id = this.data.getUint32(at, true);
      const object = this.byId.get(id);
      if (object === undefined) this.strayed(`a request of object ${id}, which is none`);
      else this.request(object, word & 0xffff, body);
      if (this.client < 0) return;
      at += size;
    }
    new Uint8Array(this.memory.view()).copyWithin(0, at, this.length);
    this.length -= at;
  }

  private request(object: ServerObject, opcode: number, body: DataView): void {
    const { name, arguments: types } = object.interface.requests[opcode]!;
    const values = decodeArguments(types, body, () => this.fds.shift()!);
    const args = types.map(({ code, interface: target }, index) => {
      const value = values[index]!;
      if (code === "n") return this.make(value as number, target || (values[1] as string));
      return code === "o" ? (this.byId.get(value as number) ?? 0) : value;
    });
    object.requests.push({ name, args });
    this.react(object, name, args);
    this.asked(object, name, args);
  }

  /** What no client can do without. */
  private react(object: ServerObject, name: string, args: (WireValue | ServerObject)[]): void {
    if (name === "sync") this.finish(args[0] as ServerObject);
    else if (name === "get_registry") {
      Object.entries(this.globals).forEach(([global, version], at) => {
        this.send(args[0] as ServerObject, "global", at + 1, global, version);
      });
    } else if (name === "bind" && args[1] === "wl_shm") {
      for (const format of [0, 1]) this.send(args[3] as ServerObject, "format", format);
    } else if (name === "create_immed" && this.failsImports) {
      this.send(this.byId.get(1)!, "error", object, invalidWlBuffer, "importing failed");
    } else if (name === "create_pool") this.poolFds.set(args[0] as ServerObject, args[1] as number);
    else if (name === "destroy" || name === "release") this.forget(object);
    else
      for (const { code } of object.interface.requests.find((one) => one.name === name)!.arguments) {
        if (code === "h") closeFd(args.find((arg) => typeof arg === "number") as number);
      }
  }

  private make(id: number, name: string): ServerObject {
    const object = { id, interface: interfaces.get(name)!, isDestroyed: false, requests: [] };
    this.objects.push(object);
    this.byId.set(id, object);
    return object;
  }

  private forget(object: ServerObject): void {
    object.isDestroyed = true;
    this.byId.delete(object.id);
    this.send(this.byId.get(1)!, "delete_id", object.id);
  }
}

const isObject = (value: unknown): value is ServerObject => typeof value === "object" && "requests" in value!;
