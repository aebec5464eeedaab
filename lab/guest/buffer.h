// A dumb buffer with its framebuffer and mapping.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint32_t width, height, pitch;
	uint32_t handle;
	uint32_t framebuffer; // 0: none (cursors have none)
	size_t size;
	uint32_t *pixels;
};

struct rectangle {
	uint32_t x, y, width, height;
};

// Both return 0, or -1 with errno set.
int buffer_create(int drm, uint32_t width, uint32_t height, struct buffer *buffer);
int buffer_add_framebuffer(int drm, struct buffer *buffer);
void buffer_destroy(int drm, struct buffer *buffer);
void buffer_paint(struct buffer *buffer, struct rectangle area, uint32_t seed);
