// The GL libraries that virglrenderer's loader looks for by itself, and ends the process without.

import { cString, libc, RTLD_LAZY } from "../../../ffi/libc.ts";

/** Each needs one of its libraries; the package of Debian's that has the first. */
const needed = [
  { libraries: ["libEGL.so.1"], package: "libegl1" },
  { libraries: ["libOpenGL.so.0", "libGL.so.1"], package: "libopengl0" },
] as const;

/** Loads what is needed. Returns the packages that are missing. `load` says whether a library could be loaded. */
export function missingPackages(load: (library: string) => boolean = loadLibrary): string[] {
  return needed
    .filter(({ libraries }) => !libraries.some((library) => load(library)))
    .map((one) => one.package);
}

/** As a program's own loader finds it, and never in the working directory. */
function loadLibrary(name: string): boolean {
  return libc.dlopen(cString(name), RTLD_LAZY) !== null;
}
