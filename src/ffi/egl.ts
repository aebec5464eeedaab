// What of GL is called here beside the renderer's library: functions of the thread's current context, found by EGL.

import { CFunction, dlopen, ptr } from "bun:ffi";
import { cString } from "./libc.ts";

const eglName = "libEGL.so.1";

/** glFlush: the driver starts all that it was given. Throws where there is no EGL. */
export function openGlFlush(): () => void {
  const { eglGetProcAddress } = dlopen(eglName, {
    eglGetProcAddress: { args: ["ptr"], returns: "ptr" },
  }).symbols;
  const address = eglGetProcAddress(ptr(cString("glFlush")));
  if (address === null) throw new Error(`${eglName} has no glFlush`);
  // Bun's types don't know that it can be called.
  return CFunction({ ptr: address, args: [], returns: "void" }) as unknown as () => void;
}
