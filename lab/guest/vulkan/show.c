#include "show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../card.h"
#include "../clock.h"
#include "../screen.h"
#include "cube.h"

#define WIDTH 1280
#define HEIGHT 800
#define LAST_STAYS_S 3
#define TURN_A_SECOND 0.9f

// Vulkan's bytes are red first, the screen's blue; what is around the cube is as grey as its background.
static void paint(struct buffer *buffer, const uint8_t *pixels)
{
	uint32_t left = (buffer->width - CUBE_WIDTH) / 2, top = (buffer->height - CUBE_HEIGHT) / 2;

	for (uint32_t y = 0; y < CUBE_HEIGHT; y++) {
		uint32_t *row = buffer->pixels + (size_t)(top + y) * (buffer->pitch / 4) + left;

		for (uint32_t x = 0; x < CUBE_WIDTH; x++, pixels += 4)
			row[x] = (uint32_t)pixels[0] << 16 | (uint32_t)pixels[1] << 8 | pixels[2];
	}
}

static int show_first(struct card *card)
{
	if (card_open(card) < 0 || screen_show_pattern(card, 0, WIDTH, HEIGHT, 0) < 0)
		return -1;
	memset(screen_front(0)->pixels, 0x80, screen_front(0)->size);
	memset(screen_back(0)->pixels, 0x80, screen_back(0)->size);
	return 0;
}

int show_cube(struct device *device, double seconds)
{
	struct cube cube = cube_make(device);
	struct card card = { .fd = -1 };
	uint64_t start, spent = 0, told = 0;
	uint32_t frames = 0;

	if (show_first(&card) < 0)
		return -1;
	start = clock_us();
	for (; spent < seconds * 1e6; frames++, spent = clock_us() - start) {
		paint(screen_back(0), cube_draw(device, &cube, spent / 1e6f * TURN_A_SECOND));
		if (screen_start_flip(&card, 0) < 0 || screen_wait_flips(&card, 1) < 0)
			return -1;
		if (spent - told < 1000000)
			continue;
		printf("frame %u\n", frames);
		fflush(stdout);
		told = spent;
	}
	printf("showed %u frames in %llu ms\n", frames, (unsigned long long)(spent / 1000));
	fflush(stdout);
	sleep(LAST_STAYS_S);
	return 0;
}
