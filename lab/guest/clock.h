// Times of the guest, cheap enough to be taken for every frame.
#pragma once

#include <stdint.h>

// CLOCK_MONOTONIC in microseconds. It may be a device's register, and so an exit to the VMM.
uint64_t clock_us(void);

// The CPU's own counter, which reads without an exit.
uint64_t clock_ticks(void);

// Measured once, which takes some milliseconds.
double clock_ticks_per_us(void);
