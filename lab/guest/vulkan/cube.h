// A cube with a depth buffer, drawn into an image that no screen shows.
#pragma once

#include "device.h"

#define CUBE_WIDTH 640
#define CUBE_HEIGHT 480

// Returns the pixels, of four bytes: red, green, blue, alpha.
const uint8_t *cube_draw(struct device *device, float turn);
