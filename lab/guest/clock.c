#include "clock.h"

#include <sys/io.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define CALIBRATION_US 50000
#define MOMENT_ATTEMPTS 5
#define MARK_PORT 0x80

uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int clock_mark(uint64_t *at_us, uint64_t *error_us)
{
	uint64_t before, after;

	if (ioperm(MARK_PORT, 1, 1) < 0)
		return -1;
	// Once for the emulator, which compiles what it has not seen.
	for (int i = 0; i < 2; i++) {
		before = clock_us();
		outb(i, MARK_PORT);
		after = clock_us();
	}
	*at_us = (before + after) / 2;
	*error_us = (after - before + 1) / 2;
	return 0;
}

uint64_t clock_ticks(void)
{
	return __rdtsc();
}

struct moment clock_moment(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int attempt = 0; attempt < MOMENT_ATTEMPTS; attempt++) {
		uint64_t before = clock_ticks();
		uint64_t us = clock_us();
		uint64_t width = clock_ticks() - before;

		if (width < least) {
			least = width;
			best = (struct moment){ us, before + width / 2 };
		}
	}
	return best;
}

double clock_ticks_per_us(void)
{
	static double rate;

	if (rate == 0) {
		struct moment start = clock_moment(), end;

		usleep(CALIBRATION_US);
		end = clock_moment();
		rate = (double)(end.ticks - start.ticks) / (double)(end.us - start.us);
	}
	return rate;
}
