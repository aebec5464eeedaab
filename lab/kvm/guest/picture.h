// The animation: boxes that bounce before a sky, and a pointer. A picture depends on the size and the frame's number alone;
// lab/scenes/boxes.ts draws the same, and test/lab/kvm holds the two alike.
#pragma once

#include <stdint.h>

struct point {
	uint32_t x, y;
};

struct size {
	uint32_t width, height;
};

struct rectangle {
	struct point at;
	struct size size;
};

#define BOX_COUNT 6
#define CURSOR_SIZE 64

/// Draws all of frame 0.
void picture_begin(uint32_t *pixels, struct size size);
/// Draws a frame over the one before; `damage` is what has changed, a rectangle a box.
void picture_draw(uint32_t *pixels, struct size size, uint32_t frame, struct rectangle damage[BOX_COUNT]);
struct point picture_pointer(struct size size, uint32_t frame);
void picture_draw_arrow(uint32_t *pixels);
