// A cube with a depth buffer, drawn into an image that no screen shows.
#pragma once

#include "device.h"

#define CUBE_WIDTH 640
#define CUBE_HEIGHT 480

struct cube {
	VkImage colour;
	VkRenderPass pass;
	VkFramebuffer framebuffer;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	struct memory pixels;
};

struct cube cube_make(const struct device *device);

// Returns the pixels, of four bytes: red, green, blue, alpha.
const uint8_t *cube_draw(struct device *device, const struct cube *cube, float turn);
