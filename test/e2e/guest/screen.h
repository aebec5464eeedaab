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

// Frees all buffers; to be called before the card is closed.
void screen_release(struct card *card);
