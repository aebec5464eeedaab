#include "cursor.h"

#include <drm.h>
#include <sys/ioctl.h>

#include "buffer.h"
#include "pattern.h"

#define CURSOR_SIDE 64

static struct buffer images[SCANOUTS_MAX];

static void paint(struct buffer *image, uint32_t seed)
{
	for (uint32_t y = 0; y < CURSOR_SIDE; y++) {
		for (uint32_t x = 0; x < CURSOR_SIDE; x++)
			image->pixels[y * (image->pitch / 4) + x] = cursor_pixel(x, y, seed);
	}
}

int cursor_show(struct card *card, uint32_t scanout, int x, int y, int hot_x, int hot_y, uint32_t seed)
{
	struct buffer old = images[scanout];
	struct drm_mode_cursor2 cursor = {
		.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
		.crtc_id = card->crtc_ids[scanout],
		.x = x, .y = y,
		.width = CURSOR_SIDE, .height = CURSOR_SIDE,
		.hot_x = hot_x, .hot_y = hot_y,
	};
	int result;

	// A new buffer every time: the driver sends an image only when the buffer is another one.
	if (buffer_create(card->fd, CURSOR_SIDE, CURSOR_SIDE, &images[scanout]) < 0)
		return -1;
	paint(&images[scanout], seed);
	cursor.handle = images[scanout].handle;
	result = ioctl(card->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
	buffer_destroy(card->fd, &old);
	return result;
}

int cursor_move(struct card *card, uint32_t scanout, int x, int y)
{
	struct drm_mode_cursor2 cursor = {
		.flags = DRM_MODE_CURSOR_MOVE,
		.crtc_id = card->crtc_ids[scanout],
		.x = x, .y = y,
	};

	return ioctl(card->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
}

int cursor_hide(struct card *card, uint32_t scanout)
{
	struct drm_mode_cursor2 cursor = { .flags = DRM_MODE_CURSOR_BO, .crtc_id = card->crtc_ids[scanout] };

	return ioctl(card->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
}

void cursor_release(struct card *card)
{
	for (uint32_t scanout = 0; scanout < SCANOUTS_MAX; scanout++)
		buffer_destroy(card->fd, &images[scanout]);
}
