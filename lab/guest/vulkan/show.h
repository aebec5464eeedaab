// The cube on the guest's first output, in the middle of its mode.
#pragma once

#include "device.h"

// Turns it for so long, each frame a page flip. Says each second "frame COUNT", and "showed COUNT frames in MS ms" while the
// last one stays for a moment. Returns 0, or -1 with errno set.
int show_cube(struct device *device, double seconds);
