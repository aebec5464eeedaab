#include "buffer.h"

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "pattern.h"

int buffer_create(int drm, uint32_t width, uint32_t height, struct buffer *buffer)
{
	struct drm_mode_create_dumb create = { .width = width, .height = height, .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };
	void *pixels;

	memset(buffer, 0, sizeof(*buffer));
	if (ioctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &create) < 0)
		return -1;
	buffer->width = width;
	buffer->height = height;
	buffer->pitch = create.pitch;
	buffer->handle = create.handle;
	buffer->size = create.size;
	map.handle = create.handle;
	if (ioctl(drm, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
		return -1;
	pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, drm, (off_t)map.offset);
	if (pixels == MAP_FAILED)
		return -1;
	buffer->pixels = pixels;
	return 0;
}

int buffer_add_framebuffer(int drm, struct buffer *buffer)
{
	struct drm_mode_fb_cmd2 add = {
		.width = buffer->width,
		.height = buffer->height,
		.pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { buffer->handle },
		.pitches = { buffer->pitch },
	};

	if (ioctl(drm, DRM_IOCTL_MODE_ADDFB2, &add) < 0)
		return -1;
	buffer->framebuffer = add.fb_id;
	return 0;
}

void buffer_destroy(int drm, struct buffer *buffer)
{
	struct drm_mode_destroy_dumb destroy = { .handle = buffer->handle };

	if (buffer->framebuffer)
		ioctl(drm, DRM_IOCTL_MODE_RMFB, &buffer->framebuffer);
	if (buffer->pixels)
		munmap(buffer->pixels, buffer->size);
	if (buffer->handle)
		ioctl(drm, DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);
	memset(buffer, 0, sizeof(*buffer));
}

void buffer_paint(struct buffer *buffer, struct rectangle area, uint32_t seed)
{
	for (uint32_t y = area.y; y < area.y + area.height; y++) {
		uint32_t *row = buffer->pixels + (size_t)y * (buffer->pitch / 4);

		for (uint32_t x = area.x; x < area.x + area.width; x++)
			row[x] = pattern_pixel(x, y, seed);
	}
}
