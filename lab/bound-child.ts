// Processes that do not outlive the one that started them, whatever that dies of.

const setpriv = ["setpriv", "--pdeathsig", "KILL", "--"];

let prefix: readonly string[] | null = null;

/**
 * The command line that runs `command` so that the kernel ends it when the thread that spawned it ends. The process's id
 * is the command's. Where there is no setpriv that can do this, as on systems of busybox (the test guests), it is the
 * command alone: whoever is killed there leaves it running.
 */
export const bound = (command: readonly string[]): string[] => [...(prefix ??= prefixHere()), ...command];

function prefixHere(): readonly string[] {
  if (Bun.which(setpriv[0]!) === null) return [];
  const trial = Bun.spawnSync([...setpriv, "true"], { stdio: ["ignore", "ignore", "ignore"] });
  return trial.success ? setpriv : [];
}
