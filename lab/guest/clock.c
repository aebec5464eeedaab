#include "clock.h"

#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define CALIBRATION_US 50000

uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t clock_ticks(void)
{
	return __rdtsc();
}

double clock_ticks_per_us(void)
{
	static double rate;

	if (rate == 0) {
		uint64_t us = clock_us(), ticks = clock_ticks();

		usleep(CALIBRATION_US);
		rate = (double)(clock_ticks() - ticks) / (double)(clock_us() - us);
	}
	return rate;
}
