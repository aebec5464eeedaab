// The channel on which the back-end asks the front-end (SET_BACKEND_REQ_FD). What it is asked here has no answer.

import { SystemError } from "../../os/errors.ts";
import { closeFd } from "../../os/fds.ts";
import { NativeMemory } from "../../os/native-memory.ts";
import { SocketIo } from "../../os/unix-socket.ts";
import { BackendRequest, Flags, Header } from "./protocol.ts";

export class BackendChannel {
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(Header.bytes);

  /** Takes over `fd`. */
  constructor(private readonly fd: number) {}

  /** Tells that the configuration space has changed. Never waits; returns whether the front-end will hear of it. */
  configChanged(): boolean {
    const header = new DataView(this.memory.view());
    header.setUint32(Header.request, BackendRequest.CONFIG_CHANGE, true);
    header.setUint32(Header.flags, Flags.version, true);
    header.setUint32(Header.size, 0, true);
    this.io.clear();
    this.io.gather(this.memory.address, Header.bytes);
    try {
      return this.io.send(this.fd) === Header.bytes;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false;
    }
  }

  close(): void {
    closeFd(this.fd);
    this.io.close();
    this.memory.unmap();
  }
}
