// The DRM card and its scanouts: connector and CRTC i are the device's scanout i in the virtio-gpu driver.
#pragma once

#include <drm_mode.h>
#include <stdbool.h>
#include <stdint.h>

#define SCANOUTS_MAX 16
#define MODES_MAX 64

struct connector {
	uint32_t id;
	bool connected;
	uint32_t mode_count;
	struct drm_mode_modeinfo modes[MODES_MAX];
};

struct card {
	int fd; // -1: closed
	uint32_t scanout_count;
	uint32_t connector_ids[SCANOUTS_MAX];
	uint32_t crtc_ids[SCANOUTS_MAX];
};

// Opens the first card, waiting for its node to appear; -1 with errno set when none does.
int card_open(struct card *card);
void card_close(struct card *card);
int card_read_connector(const struct card *card, uint32_t scanout, struct connector *connector);

// The connector's mode of that size, or one made up: the driver takes any.
struct drm_mode_modeinfo card_mode(const struct card *card, uint32_t scanout, uint32_t width, uint32_t height);
