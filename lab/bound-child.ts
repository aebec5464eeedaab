// Processes that do not outlive the one that started them, whatever that dies of.

/**
 * The command line that runs `command` so that the kernel ends it when the thread that spawned it ends. The process's id
 * is the command's.
 */
export const bound = (command: readonly string[]): string[] => [
  ...["setpriv", "--pdeathsig", "KILL", "--"],
  ...command,
];
