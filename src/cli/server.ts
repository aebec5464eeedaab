// Fencepost's command line: settings → supervisor → exit code.

import packageJson from "../../package.json";
import { openLogSink } from "../actors/supervisor/log-sink.ts";
import { Supervisor } from "../actors/supervisor/supervisor.ts";
import { ConfigError, helpText, parseCommandLine, type ServerConfig } from "../config.ts";

/** What QEMU's back-end conventions call the capabilities of a "gpu" back-end: flags that it takes. */
const capabilities = { type: "gpu", features: ["render-node", "virgl"] };

const exitUsage = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const request = parseCommandLine(args, process.env);
    switch (request.kind) {
      case "help":
        console.log(helpText());
        return 0;
      case "version":
        console.log(`fencepost ${packageJson.version}`);
        return 0;
      case "capabilities":
        console.log(JSON.stringify(capabilities, null, 2));
        return 0;
      case "serve":
        return await serve(request.config);
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`fencepost: ${error.message}`);
    return exitUsage;
  }
}

async function serve(config: ServerConfig): Promise<number> {
  const log = await openLogSink(config.logLevel);
  const supervisor = new Supervisor(config, log, () => listens(config));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => supervisor.shutdown(`received ${signal}`));
  }
  return await supervisor.run();
}

function listens(config: ServerConfig): void {
  console.log(banner(config));
  // What reading the settings has left would stay for as long as nothing happens here.
  Bun.gc(true);
}

/** What an operator needs at start: what was chosen, the limits, and how to start the VMM. */
function banner(config: ServerConfig): string {
  const mib = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)} MiB`;
  return [
    `Fencepost ${packageJson.version} listens on ${config.socketPath}`,
    `  limits    ${config.resourcesMax} resources, ${mib(config.storageBytesMax)} of storage, ` +
      `${config.backingEntriesMax} backing entries, ${mib(config.commandBytesMax)} a command`,
    `  control   ${config.controlPath} (bun run ctl --help)`,
    `Start QEMU with:`,
    `  qemu-system-x86_64 … -m 1G -M q35,memory-backend=mem \\`,
    `    -object memory-backend-memfd,id=mem,size=1G,share=on \\`,
    `    -chardev socket,id=vgpu,path=${config.socketPath} \\`,
    `    -vga none -device vhost-user-gpu-pci,chardev=vgpu`,
  ].join("\n");
}
