// The cube on the guest's first output, in the middle of its mode.
#pragma once

#include "device.h"

// Turns it for so long, each frame a page flip, and says "showed COUNT frames in MS ms". Returns 0, or -1 with errno set.
int show_cube(struct device *device, double seconds);
