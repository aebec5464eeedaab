// A job whose every number the CPU can check.
#pragma once

#include "device.h"

// Has the device work `rounds` times on numbers that the CPU wrote to memory of the device, and reads them there. Says
// how many were other than they must be, and a number of all of them; returns 0 where none was.
int compute_run(struct device *device, int rounds);
