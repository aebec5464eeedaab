// Starting a program, as a symbol table of the C library's. A worker thread of ours has no event loop that runs, which Bun's
// own way of starting programs needs.

import { dlopen } from "bun:ffi";

export const { symbols: posixSpawn } = dlopen("libc.so.6", {
  posix_spawn: { args: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  posix_spawn_file_actions_init: { args: ["ptr"], returns: "i32" },
  posix_spawn_file_actions_addopen: { args: ["ptr", "i32", "ptr", "i32", "u32"], returns: "i32" },
  posix_spawn_file_actions_adddup2: { args: ["ptr", "i32", "i32"], returns: "i32" },
  posix_spawn_file_actions_addclosefrom_np: { args: ["ptr", "i32"], returns: "i32" },
  posix_spawn_file_actions_destroy: { args: ["ptr"], returns: "i32" },
  posix_spawnattr_init: { args: ["ptr"], returns: "i32" },
  posix_spawnattr_setflags: { args: ["ptr", "i32"], returns: "i32" },
  posix_spawnattr_setpgroup: { args: ["ptr", "i32"], returns: "i32" },
  posix_spawnattr_setsigmask: { args: ["ptr", "ptr"], returns: "i32" },
  posix_spawnattr_setsigdefault: { args: ["ptr", "ptr"], returns: "i32" },
  posix_spawnattr_destroy: { args: ["ptr"], returns: "i32" },
});

/** Flags of `posix_spawnattr_setflags`. */
export const SpawnFlag = { SETPGROUP: 2, SETSIGDEF: 4, SETSIGMASK: 8 } as const;

/** More than any of posix_spawn_file_actions_t, posix_spawnattr_t and sigset_t takes. */
export const opaqueBytes = 512;
export const sigsetBytes = 128;
