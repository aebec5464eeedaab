// Times of the guest, cheap enough to be taken for every frame.
#pragma once

#include <stdint.h>

// CLOCK_MONOTONIC in microseconds. It may be a device's register, and so an exit to the VMM.
uint64_t clock_us(void);

// The guest's clock when the VMM saw a write to port 0x80, which is for such, and how far that may be off. -1 with errno
// set where the port can't be had.
int clock_mark(uint64_t *at_us, uint64_t *error_us);

// The CPU's own counter, which reads without an exit.
uint64_t clock_ticks(void);

// Measured once, which takes some milliseconds; good to a percent.
double clock_ticks_per_us(void);

// Both at one moment: the nearest of some attempts.
struct moment {
	uint64_t us, ticks;
};
struct moment clock_moment(void);
