// The cursor pool's slots, which the cursor queue assigns and the ctrl queue fills.

/**
 * Slots in turn for one scanout. The display copies an image as soon as it hears of it, so that a slot is written
 * again long after it was read.
 */
export const slotsPerScanout = 4;
