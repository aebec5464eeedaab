// Memory that is never given back.
#pragma once

#include <stdint.h>

/// Whole zeroed pages. The VMM's memory is zero when the program starts.
void *allocate(uint32_t bytes);

void *memset(void *to, int value, unsigned long count);
