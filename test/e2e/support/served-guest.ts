// A guest and the server that it has its graphics card from, ended.

import { join } from "node:path";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";
import type { ServerProcess } from "../../../lab/vmm/server-process.ts";

/** Those that there are. */
interface ServedGuest {
  guest?: QemuGuest | undefined;
  server?: ServerProcess | undefined;
}

/** Ends the guest and then its server, and keeps what that has said beside the guest's logs. */
export async function endServed({ guest, server }: ServedGuest, logDirectory: string): Promise<void> {
  await guest?.stop();
  if (server === undefined) return;
  await Bun.write(join(logDirectory, "server.txt"), server.log());
  await server.stop();
}
