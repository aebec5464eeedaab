// What the guest shows on each scanout: two buffers, of which one is in front.
#pragma once

#include <stdint.h>

#include "buffer.h"
#include "card.h"

// All return 0, or -1 with errno set.
int screen_show_pattern(struct card *card, uint32_t scanout, uint32_t width, uint32_t height, uint32_t seed);
int screen_flip(struct card *card, uint32_t scanout, uint32_t count, uint32_t seed, uint64_t *waited_us);
int screen_dirty(struct card *card, uint32_t scanout, struct rectangle area, uint32_t seed);
int screen_off(struct card *card, uint32_t scanout);

// The two buffers; without a framebuffer where nothing is shown.
struct buffer *screen_front(uint32_t scanout);
struct buffer *screen_back(uint32_t scanout);

// Shows the back buffer, which is the front one from then on; `screen_wait_flips` waits for as many flips.
int screen_start_flip(struct card *card, uint32_t scanout);
int screen_wait_flips(struct card *card, uint32_t count);

// Has the device take what was painted into the front buffer.
int screen_mark_dirty(struct card *card, uint32_t scanout, struct rectangle area);

// Frees all buffers; to be called before the card is closed.
void screen_release(struct card *card);
