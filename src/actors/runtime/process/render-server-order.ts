// What the process that becomes a render server and who starts it agree upon.

/** The executable's word for it: nobody's to call. */
export const renderServerWord = "render-server-process";
/** Where it lies in a checkout. */
export const renderServerEntry = "src/actors/runtime/process/render-server.ts";

/** Descriptors that it begins with: the server's socket, and a memfd for what became of its layers. */
export const socketFd = 3;
export const reportFd = 4;
export const reportBytes = 4096;

/** Its last argument, as JSON. */
export interface RenderServerOrder {
  readonly path: string;
  readonly sandbox: "auto" | "on";
  /** Resources of `setrlimit` and their limits. */
  readonly limits: readonly (readonly [resource: number, limit: number])[];
}
