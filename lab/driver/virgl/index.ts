// The encoder of virgl command streams, meant to be imported as `* as virgl`.

export * from "./actions.ts";
export * from "./capset.ts";
export * from "./objects.ts";
export * from "./protocol.ts";
export * from "./queries.ts";
export * from "./shaders.ts";
export * from "./state.ts";
export * from "./transfers.ts";
export { CommandStream } from "./stream.ts";
