// How every program of this folder begins and ends. It takes the caller's directory for the paths that it was given and
// for nothing else: the rest is loaded from /, since bun:ffi takes a library that the linker does not find from the
// current directory. And it ends when it has ended, whatever a thread may still be doing.

/** How a program of this folder is called by whoever called this one. */
export type CallOf = (program: ProgramName) => string;

type ProgramName = "server" | "ctl" | "bridge-client" | "trace-info" | "trace-trim" | "demo" | "replay";

/** The part of a program that needs installed packages or native libraries. */
export interface Program {
  /** Returns the exit code; paths among `args` are relative to `directory`. */
  main(args: string[], directory: string, callOf: CallOf): Promise<number>;
}

const exitFailed = 1;
/** Where `bin/fencepost` was called, which goes to / before Bun starts. */
const directoryVariable = "FENCEPOST_DIRECTORY";

const startDirectory = process.cwd();

/** How this process was started, for one that starts again. */
export const begun = {
  directory: (!Bun.isStandaloneExecutable && process.env[directoryVariable]) || startDirectory,
  environment: { ...process.env },
  goBack: () => process.chdir(startDirectory),
} as const;

/** Runs what `load` imports; `name` begins the lines for people. */
export async function begin(
  name: string,
  load: () => Promise<Program>,
  args = process.argv.slice(2),
): Promise<never> {
  const { isStandaloneExecutable } = Bun;
  const launched = isStandaloneExecutable ? undefined : process.env[directoryVariable];
  const directory = launched ?? process.cwd();
  delete process.env[directoryVariable];
  process.chdir("/");
  const callOf: CallOf =
    isStandaloneExecutable || launched !== undefined
      ? (one) => `fencepost ${one === "server" ? "serve" : one}`
      : (one) => `bun run ${one}`;
  try {
    const program = await load();
    process.exit(await program.main(args, directory, callOf));
  } catch (error) {
    // A program may load parts of it later.
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    console.error(`${name}: ${error.message.split(" imported from ")[0]}: run ./setup.sh, or bun install`);
    process.exit(exitFailed);
  }
}
