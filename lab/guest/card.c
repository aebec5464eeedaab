#include "card.h"

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int open_first_card(void)
{
	// The node appears a moment after the driver has bound.
	for (int attempt = 0; attempt < 200; attempt++) {
		for (int minor = 0; minor < 8; minor++) {
			char path[32];
			int fd;

			snprintf(path, sizeof(path), "/dev/dri/card%d", minor);
			fd = open(path, O_RDWR | O_CLOEXEC);
			if (fd >= 0)
				return fd;
		}
		usleep(50 * 1000);
	}
	errno = ENODEV;
	return -1;
}

int card_open(struct card *card)
{
	struct drm_mode_card_res resources = { 0 };

	card->fd = open_first_card();
	if (card->fd < 0)
		return -1;
	resources.count_connectors = SCANOUTS_MAX;
	resources.count_crtcs = SCANOUTS_MAX;
	resources.connector_id_ptr = (uintptr_t)card->connector_ids;
	resources.crtc_id_ptr = (uintptr_t)card->crtc_ids;
	if (ioctl(card->fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0) {
		card_close(card);
		return -1;
	}
	card->scanout_count = resources.count_connectors;
	return 0;
}

void card_close(struct card *card)
{
	if (card->fd >= 0)
		close(card->fd);
	card->fd = -1;
}

int card_read_connector(const struct card *card, uint32_t scanout, struct connector *connector)
{
	struct drm_mode_get_connector get = {
		.connector_id = card->connector_ids[scanout],
		.modes_ptr = (uintptr_t)connector->modes,
		.count_modes = MODES_MAX,
	};

	// The kernel probes, and so asks the device anew, only when no room for modes is offered.
	struct drm_mode_get_connector probe = { .connector_id = get.connector_id };
	if (ioctl(card->fd, DRM_IOCTL_MODE_GETCONNECTOR, &probe) < 0)
		return -1;
	if (ioctl(card->fd, DRM_IOCTL_MODE_GETCONNECTOR, &get) < 0)
		return -1;
	connector->id = get.connector_id;
	connector->connected = get.connection == 1;
	connector->mode_count = get.count_modes <= MODES_MAX ? get.count_modes : 0;
	return 0;
}

struct drm_mode_modeinfo card_mode(const struct card *card, uint32_t scanout, uint32_t width, uint32_t height)
{
	static struct connector connector;
	struct drm_mode_modeinfo mode = {
		.hdisplay = width, .hsync_start = width + 16, .hsync_end = width + 64, .htotal = width + 160,
		.vdisplay = height, .vsync_start = height + 3, .vsync_end = height + 9, .vtotal = height + 30,
		.vrefresh = 60,
		.type = DRM_MODE_TYPE_USERDEF,
	};

	if (card_read_connector(card, scanout, &connector) == 0) {
		for (uint32_t i = 0; i < connector.mode_count; i++) {
			if (connector.modes[i].hdisplay == width && connector.modes[i].vdisplay == height)
				return connector.modes[i];
		}
	}
	mode.clock = mode.htotal * mode.vtotal * 60 / 1000;
	snprintf(mode.name, sizeof(mode.name), "%ux%u", width, height);
	return mode;
}
