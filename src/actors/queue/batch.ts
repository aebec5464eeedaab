// How much a queue does in one go.

/** Commands taken before messages, timers and the used index get their turn. */
export const batchMax = 64;
/** Commands after which the guest may see what is finished, if it is looking anyway and wants no interrupt. */
export const glimpse = 16;
/** Bytes copied for one batch before its finished commands are shown to the guest. */
export const heavyBytesMax = 256 * 1024;
