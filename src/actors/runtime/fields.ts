// Fields that many messages have.
//
// Descriptors in messages change owner: the receiver closes them. -1 means none.

import { z } from "zod";

export const fd = z.int().min(-1);
export const token = z.int().nonnegative();
/** Guest-physical addresses and sizes in bytes, exact below 2^53. */
export const address = z.int().nonnegative();
export const u32 = z.int().min(0).max(0xffff_ffff);
export const scanoutId = z.int().min(0).max(15);
