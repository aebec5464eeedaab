// What systemd, or whoever else started this server as a service, is told of it (sd_notify(3)).

import { DatagramPeer } from "../transport/os/datagram-peer.ts";

type Environment = Record<string, string | undefined>;

export class ServiceManager {
  private readonly peer: DatagramPeer | null;
  private readonly watchdogUs: number;
  private watchdog: Timer | undefined;

  constructor(env: Environment, pid = process.pid) {
    const { NOTIFY_SOCKET: path = "", WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = env;
    this.peer = /^[/@]./.test(path) ? new DatagramPeer(path) : null;
    const isWatched = watched === undefined || watched === "" || watched === String(pid);
    this.watchdogUs = isWatched && /^\d{1,15}$/.test(microseconds ?? "") ? Number(microseconds) : 0;
  }

  /** The service does what it is for. From now on it says that it lives, where somebody wants to hear that. */
  ready(status: string): void {
    this.tell(`READY=1\nSTATUS=${status}`);
    if (this.peer === null || this.watchdogUs === 0 || this.watchdog !== undefined) return;
    // Half of the time, as sd_watchdog_enabled(3) advises.
    this.watchdog = setInterval(() => this.tell("WATCHDOG=1"), this.watchdogUs / 2000);
    this.watchdog.unref();
  }

  status(text: string): void {
    this.tell(`STATUS=${text}`);
  }

  stopping(reason: string): void {
    this.tell(`STOPPING=1\nSTATUS=${reason}`);
  }

  close(): void {
    clearInterval(this.watchdog);
    this.peer?.close();
  }

  private tell(text: string): void {
    this.peer?.send(text);
  }
}
