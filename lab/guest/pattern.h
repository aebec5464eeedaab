// The test pattern: a pure function of position and seed that the host computes too (test/e2e/support/pattern.ts).
#pragma once

#include <stdint.h>

// XRGB8888 without its X byte. Every pixel tells its position, so that a shifted row or rectangle shows.
static inline uint32_t pattern_pixel(uint32_t x, uint32_t y, uint32_t seed)
{
	return ((x * 7 + seed) & 255) << 16 | ((y * 5 + seed) & 255) << 8 | ((x ^ y) & 255);
}

// ARGB8888 for cursors: opaque above the diagonal, see-through below it.
static inline uint32_t cursor_pixel(uint32_t x, uint32_t y, uint32_t seed)
{
	return x + y < 64 ? 0xff000000u | pattern_pixel(x, y, seed) : 0;
}
