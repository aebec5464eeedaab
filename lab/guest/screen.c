#include "screen.h"

#include <drm.h>
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"

#define FLIP_TIMEOUT_MS 10000

struct screen {
	struct buffer buffers[2];
	uint32_t front;
};

static struct screen screens[SCANOUTS_MAX];

struct buffer *screen_front(uint32_t scanout)
{
	return &screens[scanout].buffers[screens[scanout].front];
}

struct buffer *screen_back(uint32_t scanout)
{
	return &screens[scanout].buffers[!screens[scanout].front];
}

static struct rectangle whole(const struct buffer *buffer)
{
	return (struct rectangle){ 0, 0, buffer->width, buffer->height };
}

static int set_crtc(struct card *card, uint32_t scanout, const struct buffer *buffer)
{
	struct drm_mode_crtc crtc = {
		.crtc_id = card->crtc_ids[scanout],
		.fb_id = buffer->framebuffer,
		.set_connectors_ptr = (uintptr_t)&card->connector_ids[scanout],
		.count_connectors = 1,
		.mode = card_mode(card, scanout, buffer->width, buffer->height),
		.mode_valid = 1,
	};

	return ioctl(card->fd, DRM_IOCTL_MODE_SETCRTC, &crtc);
}

static int create_buffers(struct card *card, struct screen *screen, uint32_t width, uint32_t height)
{
	for (int i = 0; i < 2; i++) {
		if (buffer_create(card->fd, width, height, &screen->buffers[i]) < 0 ||
		    buffer_add_framebuffer(card->fd, &screen->buffers[i]) < 0)
			return -1;
	}
	return 0;
}

static void destroy_buffers(struct card *card, struct screen *screen)
{
	for (int i = 0; i < 2; i++)
		buffer_destroy(card->fd, &screen->buffers[i]);
}

int screen_show_pattern(struct card *card, uint32_t scanout, uint32_t width, uint32_t height, uint32_t seed)
{
	struct screen *screen = &screens[scanout];
	struct screen old = *screen;
	int result;

	*screen = (struct screen){ 0 };
	result = create_buffers(card, screen, width, height);
	if (result == 0) {
		buffer_paint(&screen->buffers[0], whole(&screen->buffers[0]), seed);
		result = set_crtc(card, scanout, &screen->buffers[0]);
	}
	// Last, for removing a framebuffer that is shown turns the scanout off.
	destroy_buffers(card, &old);
	return result;
}

int screen_start_flip(struct card *card, uint32_t scanout)
{
	struct screen *screen = &screens[scanout];
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = card->crtc_ids[scanout],
		.fb_id = screen->buffers[!screen->front].framebuffer,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};

	if (!flip.fb_id) {
		errno = ENOENT;
		return -1;
	}
	if (ioctl(card->fd, DRM_IOCTL_MODE_PAGE_FLIP, &flip) < 0)
		return -1;
	screen->front = !screen->front;
	return 0;
}

int screen_wait_flips(struct card *card, uint32_t count)
{
	struct pollfd poll_fd = { .fd = card->fd, .events = POLLIN };
	char events[1024];

	while (count > 0) {
		int ready = poll(&poll_fd, 1, FLIP_TIMEOUT_MS);
		ssize_t length;

		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready <= 0)
			return -1;
		length = read(card->fd, events, sizeof(events));
		if (length <= 0)
			return -1;
		for (ssize_t at = 0; at < length; at += ((struct drm_event *)(events + at))->length)
			count--;
	}
	return 0;
}

int screen_flip(struct card *card, uint32_t scanout, uint32_t count, uint32_t seed, uint64_t *waited_us)
{
	*waited_us = 0;
	for (uint32_t left = count; left > 0; left--) {
		struct buffer *buffer = screen_back(scanout);
		uint64_t start;

		if (!buffer->framebuffer) {
			errno = ENOENT;
			return -1;
		}
		buffer_paint(buffer, whole(buffer), seed + left - 1);
		start = clock_us();
		if (screen_start_flip(card, scanout) < 0 || screen_wait_flips(card, 1) < 0)
			return -1;
		*waited_us += clock_us() - start;
	}
	return 0;
}

int screen_mark_dirty(struct card *card, uint32_t scanout, struct rectangle area)
{
	struct drm_clip_rect clip = { area.x, area.y, area.x + area.width, area.y + area.height };
	struct drm_mode_fb_dirty_cmd dirty = {
		.fb_id = screen_front(scanout)->framebuffer,
		.num_clips = 1,
		.clips_ptr = (uintptr_t)&clip,
	};

	return ioctl(card->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty);
}

int screen_dirty(struct card *card, uint32_t scanout, struct rectangle area, uint32_t seed)
{
	struct buffer *buffer = screen_front(scanout);

	if (area.x + area.width > buffer->width || area.y + area.height > buffer->height) {
		errno = ERANGE;
		return -1;
	}
	buffer_paint(buffer, area, seed);
	return screen_mark_dirty(card, scanout, area);
}

int screen_off(struct card *card, uint32_t scanout)
{
	struct drm_mode_crtc crtc = { .crtc_id = card->crtc_ids[scanout] };
	int result = ioctl(card->fd, DRM_IOCTL_MODE_SETCRTC, &crtc);

	destroy_buffers(card, &screens[scanout]);
	screens[scanout] = (struct screen){ 0 };
	return result;
}

void screen_release(struct card *card)
{
	for (uint32_t scanout = 0; scanout < SCANOUTS_MAX; scanout++) {
		destroy_buffers(card, &screens[scanout]);
		screens[scanout] = (struct screen){ 0 };
	}
}
