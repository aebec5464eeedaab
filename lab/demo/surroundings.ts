// What the demo needs around it, looked at before anything is started for it.

import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { parseCommandLine } from "../../src/config.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { connectUnix } from "../../src/transport/os/unix-path.ts";
import { Kvm } from "../kvm/kvm.ts";
import { checkProgram } from "../kvm/program.ts";
import type { DemoOptions } from "./options.ts";

/** Throws an Error with a sentence for the user where the picture cannot be written, or KVM, compositor or program is missing. */
export function checkSurroundings({ output, wayland, server, kvm, linux, qemu }: DemoOptions): void {
  if (Bun.isStandaloneExecutable && (kvm || qemu)) {
    const flag = kvm ? "--kvm" : "--qemu";
    throw new Error(`${flag} runs a guest that ./setup.sh makes in a checkout: call bun run demo there`);
  }
  checkOutput(output);
  if (kvm) Kvm.open().close();
  if (linux) checkProcessor();
  else if (kvm) checkProgram();
  if (wayland) checkCompositor();
  const program = server?.[0];
  if (program !== undefined && Bun.which(program) === null) {
    throw new Error(`--server ${program}: there is no such program`);
  }
}

function checkOutput(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new Error(`--output ${path} is a folder: name a file`);
  try {
    accessSync(found === undefined ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`--output ${path} cannot be written (${code}): name another file`, { cause: error });
  }
}

/** Without these KVM may be there all the same and emulate, but no ordinary kernel runs on what it knows. */
function checkProcessor(): void {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  if (!flags.includes("vmx") && !flags.includes("svm"))
    throw new Error(
      "--linux wants a processor with VMX or SVM, which this one does not offer: KVM here emulates",
    );
}

function checkCompositor(): void {
  const request = parseCommandLine(["--wayland"], {});
  if (request.kind !== "serve" || request.config.wayland === undefined) return;
  const path = request.config.wayland;
  try {
    closeFd(connectUnix(path, "stream"));
  } catch (error) {
    throw new Error(`no Wayland compositor is there for --wayland: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
