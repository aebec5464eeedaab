// A server that runs: its supervisor, its log, what it says when it is up, and its end.

import packageJson from "../../package.json";
import { exitCodes } from "../actors/machines/device.ts";
import type { Sandbox } from "../actors/sandbox/sandbox.ts";
import type { SessionState, SupervisorEvents } from "../actors/supervisor/events.ts";
import { openLog } from "../actors/supervisor/log-output.ts";
import { LogSink } from "../actors/supervisor/log-sink.ts";
import { Supervisor } from "../actors/supervisor/supervisor.ts";
import type { Served, ServerConfig } from "../config.ts";
import { PatientWriter } from "../transport/os/patient-writer.ts";
import { explained } from "./explained.ts";
import { ServiceManager } from "./service-manager.ts";
import { onStopSignals } from "../transport/os/stop-signals.ts";

/** The session's states, for whoever asks how the service does. */
const sessionStatus: Readonly<Record<SessionState, string>> = {
  listening: "waiting for a VMM",
  connected: "a VMM is connected",
  running: "a guest's driver is running",
  suspended: "the guest's driver has stopped",
  closed: "the VMM has gone",
};

/** How long the last lines of the log may wait for a reader. */
const lastLinesMs = 200;

/** Serves until it ends; returns its exit code. */
export async function serve({ config, unknown }: Served, ctl: string, sandbox: Sandbox): Promise<number> {
  const stdout = new PatientWriter(1);
  const output = explained("--log-file", () => openLog(config.logFile, serverName(config)));
  const log = new LogSink(config.logLevel, output);
  const manager = new ServiceManager(process.env);
  for (const name of unknown) log.write("warning", "supervisor", `${name} is no setting: see --help`);
  const events: SupervisorEvents = {
    up: (state) => {
      stdout.write(`${banner(config, state, ctl)}\n`);
      manager.ready(sessionStatus[state]);
      // What reading the settings has left would stay for as long as nothing happens here.
      Bun.gc(true);
    },
    session: (state) => manager.status(sessionStatus[state]),
    stopping: (reason) => manager.stopping(reason),
  };
  const supervisor = new Supervisor(config, log, events, sandbox);
  onStopSignals(
    (signal) => supervisor.shutdown(`received ${signal}`),
    (signal) => {
      log.write("error", "supervisor", `received ${signal} while stopping: ends at once`);
      supervisor.removeSockets();
      output.flush(lastLinesMs);
      process.exit(exitCodes.stopTimeout);
    },
  );
  const exitCode = await supervisor.run();
  stdout.flush(lastLinesMs);
  output.flush(lastLinesMs);
  output.close();
  manager.close();
  return exitCode;
}

/** What tells this server from others of this host. */
const serverName = ({ fd, socketPath, controlPath }: ServerConfig): string =>
  fd === undefined ? socketPath : controlPath;

/** What QEMU does not know of a device that it has no code for: virtio's number, its rings, its configuration. */
const genericDevice = "vhost-user-test-device-pci,virtio-id=16,num_vqs=2,vq_size=256,config_size=16";

/** What an operator needs at start: what was chosen, the limits, and how to start the VMM. */
function banner(config: ServerConfig, state: "listening" | "connected", ctl: string): string {
  const mib = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)} MiB`;
  const limits =
    `  limits    ${config.resourcesMax} resources, ${mib(config.storageBytesMax)} of storage, ` +
    `${config.backingEntriesMax} backing entries, ${mib(config.commandBytesMax)} a command`;
  const control = `  control   ${config.controlPath} (${ctl} --help)`;
  if (config.fd !== undefined) {
    const serves = state === "listening" ? "listens" : "serves the front-end";
    return [`Fencepost ${packageJson.version} ${serves} on descriptor ${config.fd}`, limits, control].join(
      "\n",
    );
  }
  return [
    `Fencepost ${packageJson.version} listens on ${config.socketPath}`,
    limits,
    control,
    `Start QEMU with:`,
    `  qemu-system-x86_64 … -m 1G -M q35,memory-backend=mem \\`,
    `    -object memory-backend-memfd,id=mem,size=1G,share=on \\`,
    `    -chardev socket,id=vgpu,path=${config.socketPath} \\`,
    `    -vga none -device vhost-user-gpu-pci,chardev=vgpu`,
    "QEMU 11.1 has a generic device too: blobs, Vulkan where there is any, outputs that change; shown by --wayland or --inspect:",
    `    -vga none -device ${genericDevice},chardev=vgpu`,
  ].join("\n");
}
