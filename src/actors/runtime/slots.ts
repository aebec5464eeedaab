// How many actors there may be, the supervisor included: what they share has a place for each.

export const slotsMax = 16;
